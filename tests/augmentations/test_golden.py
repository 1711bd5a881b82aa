"""Each augmentation of a fixed crop against its stored picture."""

from __future__ import annotations

import numpy as np
import pytest

from occbench.augmentations import __all__ as registered

from .golden import GOLDEN, augmented, picture


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_picture(name: str) -> None:
    found, stored = augmented(name).astype(int), picture(name).astype(int)
    assert found.shape == stored.shape
    assert np.abs(found - stored).max() <= 2  # builds of OpenCV may round a blur or a resize differently
    assert (stored != picture("person")).any()


def test_every_augmentation_has_a_golden_picture() -> None:
    named = {settings["type"] for settings in GOLDEN.values()}
    boxes, photos = {"CentredTarget", "ProposalBox", "UniformBBoxTransform"}, {"ThesisPhotoOcclusion"}
    assert named == set(registered) - boxes - photos - {"Describe", "EpochSampler", "Occlusion", "SeedSample"}
