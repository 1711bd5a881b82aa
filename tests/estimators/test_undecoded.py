"""What only MMPose decodes is left to it: no decoder is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from occbench.estimators.decoding import find_decoder
from occbench.system.compat import setup_mmpose

from .decoded_heads import (
    CODECS,
    COMBINED,
    HEATMAPS,
    INPUT_SIZE,
    KEYPOINTS,
    MAP_SIZE,
    MIRROR,
    SIMCC,
    build,
    compare,
    heatmap_head,
    peaked,
    regression_head,
    simcc_head,
    to_raw,
)


def refused() -> dict[str, tuple[Any, dict[str, Any], list[int]]]:
    """By reason a head, its test_cfg and flip indices that only MMPose decodes."""
    setup_mmpose()
    from mmpose.codecs import MSRAHeatmap
    from mmpose.models.heads import HeatmapHead

    class OtherHead(HeatmapHead):
        """Whatever it does."""

    class OtherCodec(MSRAHeatmap):
        """Whatever it does."""

    msra, flip = CODECS["msra"], {"flip_test": True}
    subclass = OtherHead(8, KEYPOINTS, deconv_out_channels=None, decoder=dict(msra))
    with_subclass = heatmap_head(msra)
    with_subclass.decoder = OtherCodec(INPUT_SIZE, MAP_SIZE, sigma=2)
    without = heatmap_head(msra)
    without.decoder = None
    megvii = {"type": "MegviiHeatmap", "kernel_size": 11, **HEATMAPS}
    integral = {"type": "IntegralRegressionLabel", "sigma": 2, **HEATMAPS}
    dsnt = build(
        {"type": "DSNTHead", "in_channels": 8, "in_featuremap_size": (3, 4), "num_joints": KEYPOINTS}, integral
    )
    return {
        "a subclass of a head": (subclass, {}, MIRROR),
        "a subclass of a codec": (with_subclass, {}, MIRROR),
        "no codec": (without, {}, MIRROR),
        "another codec": (heatmap_head(megvii), {}, MIRROR),
        "another head": (dsnt, {}, MIRROR),
        "a head with the codec of another": (heatmap_head(SIMCC["plain"]), {}, MIRROR),
        "regression with the codec of heatmaps": (regression_head("RLEHead", msra), {}, MIRROR),
        "an option that nobody reads": (heatmap_head(msra), {"rescale": True}, MIRROR),
        "a flip of offsets": (heatmap_head(msra), {**flip, "flip_mode": "offset"}, MIRROR),
        "a flip of labels with offsets": (heatmap_head(CODECS["udp"]), {**flip, "flip_mode": "udp_combined"}, MIRROR),
        "a plain flip of offsets": (heatmap_head(COMBINED, channels=3 * KEYPOINTS), flip, MIRROR),
        "the mirror of other keypoints": (heatmap_head(msra), flip, [0, 2, 1]),
        "the mirror of other vectors": (simcc_head(SIMCC["plain"]), flip, [0, 2, 1]),
        "the mirror of other joints": (regression_head("RLEHead"), flip, [0, 2, 1]),
        "a blur that MMPose refuses": (heatmap_head({**CODECS["dark"], "blur_kernel_size": 10}), {}, MIRROR),
        "a blur of one px": (heatmap_head({**CODECS["udp"], "blur_kernel_size": 1}), {}, MIRROR),
        "a blur of one bin": (simcc_head({**SIMCC["dark"], "sigma": 0.5}), {}, MIRROR),
        "visibility": (simcc_head({**SIMCC["plain"], "decode_visibility": True}), {}, MIRROR),
    }


def test_refuses_what_it_does_not_know() -> None:
    for reason, (head, test_cfg, mirror) in refused().items():
        assert find_decoder(head, test_cfg, mirror) is None, reason


def test_heatmaps_that_are_put_out_as_well_change_nothing() -> None:
    cfg = {"flip_test": True, "output_heatmaps": True}
    compare(heatmap_head(CODECS["msra"]), cfg, lambda rng: to_raw(peaked(rng)))


def test_refuses_a_flip_test_that_is_none() -> None:
    raw = to_raw(peaked(np.random.default_rng(0)))
    for flip, flipped in ((True, None), (False, raw)):
        decoder = find_decoder(heatmap_head(CODECS["msra"]), {"flip_test": flip}, MIRROR)
        assert decoder is not None
        with pytest.raises(ValueError, match="flip test"):
            decoder(raw, flipped)
