"""Samples that cost less are the same samples."""

from __future__ import annotations

import copy
import pickle

import numpy as np
from scipy.stats import truncnorm

from occbench.system.compat import setup_mmpose
from occbench.training.samples import Description, Shared, lighten, truncated_normal


def test_what_is_drawn_is_what_scipy_draws() -> None:
    for low, high, size in ((-1.0, 1.0, (4,)), (-1.0, 1.0, ()), (-0.5, 2.0, (3, 50)), (-2.0, -1.0, (9,))):
        np.random.seed(3)  # noqa: NPY002
        expected = [truncnorm.rvs(low, high, size=size or 1) for _ in range(50)]
        after = np.random.random()  # noqa: NPY002
        np.random.seed(3)  # noqa: NPY002
        found = [truncated_normal(low, high, size) for _ in range(50)]
        np.testing.assert_allclose(np.ravel(found), np.ravel(expected), rtol=0, atol=3e-7)
        assert np.random.random() == after  # noqa: NPY002 (so are the draws that follow)


def test_samples_share_lists_and_checkpoints_do_not() -> None:
    plain = {"name": "own", "pairs": [[1, 2], [3, 4]]}
    described = Description(plain)
    assert copy.deepcopy(described["pairs"]) is copy.copy(described["pairs"]) is described["pairs"]
    assert described["name"] == "own"
    kept = copy.deepcopy(described)
    assert kept == plain
    assert type(kept) is dict
    assert type(kept["pairs"]) is list
    assert kept["pairs"][0] is not plain["pairs"][0]
    assert pickle.loads(pickle.dumps(described["pairs"])) == plain["pairs"]  # as workers send them


def test_a_data_set_has_the_same_samples() -> None:
    setup_mmpose()
    from mmpose.datasets import CocoDataset

    def samples(light: bool) -> list[dict[str, object]]:
        dataset = CocoDataset(ann_file="", pipeline=[], lazy_init=True)
        dataset.data_list = [{"id": i, "bbox": np.ones((1, 4))} for i in range(3)]
        dataset._fully_initialized, dataset.serialize_data = True, False
        if light:
            lighten(dataset)
            assert type(dataset.metainfo["flip_pairs"]) is list
        return [dataset.get_data_info(i) for i in range(3)]

    for light, heavy in zip(samples(True), samples(False), strict=True):
        assert light.keys() == heavy.keys()
        assert all(np.array_equal(light[key], heavy[key]) for key in heavy)  # type: ignore[arg-type]
        assert isinstance(light["flip_pairs"], Shared)
