"""What is left out before exponentials are taken, against all pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from occbench.evaluation.oks import box_similarity, oks, oks_from, pair_up, similarity, within_reach

from . import fuzz


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("least", [0.1, 0.5])
def test_no_pair_within_reach_is_left_out(seed: int, least: float) -> None:
    p = fuzz.problem(np.random.default_rng([5_000_000, seed]))
    found = p.detections
    if seed % 4 == 3 and len(found):  # where single precision knows little, or nothing
        places = found.keypoints + [1e7, 1e30, 1e300][seed // 4 % 3] * (np.arange(len(found)) % 2)[:, None, None]
        found = replace(found, keypoints=places)
    pairs = pair_up(p.truth, found, at_most=None)
    near = within_reach(p.truth, found, p.sigmas, pairs, least)
    with np.errstate(over="ignore"):
        terms = similarity(p.truth, found, p.sigmas, pairs).terms
    labelled = p.truth.visibility[pairs.person] > 0
    assert near[((terms >= least) & labelled).any(axis=1)].all()
    if seed % 4 != 3:  # and few that are not
        assert not near[((terms < 0.999 * least) | ~labelled).all(axis=1)].any()


@pytest.mark.parametrize("seed", range(20))
def test_pairs_above_a_threshold_are_those_of_all(seed: int) -> None:
    p = fuzz.problem(np.random.default_rng([6_000_000, seed]))
    pairs = pair_up(p.truth, p.detections)
    box = box_similarity(p.truth, p.detections, p.sigmas, pairs)
    similar = replace(similarity(p.truth, p.detections, p.sigmas, pairs), box=box)
    for mask in p.masks:
        counts = (p.truth.visibility > 0) & (True if mask is None else mask)
        every = oks(similar, counts)
        chosen, value = oks_from(similar, counts, 0.5)
        np.testing.assert_array_equal(chosen, np.flatnonzero(every >= 0.5))
        np.testing.assert_array_equal(value, every[chosen])
    worked_out = box_similarity(p.truth, p.detections, p.sigmas, pairs, 0.5)
    np.testing.assert_array_equal(worked_out[box >= 0.5], box[box >= 0.5])
    assert (worked_out[box < 0.5] < 0.5).all()
