"""What coarse-to-fine networks of the paper's width cost at 4x, 8x and 16x pooling (Tompson et al., Table 2).

OMP_NUM_THREADS=1 python benchmarks/coarse_to_fine_cost.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import TypeAlias

import torch
from torch import Tensor, nn

from occbench.models import CoarseToFineHead, MultiResolutionBanks
from occbench.models.complexity import measure_complexity

Networks: TypeAlias = Mapping[tuple[int, bool], nn.ModuleList]


def networks(joints: int) -> Networks:
    """By pooling, and whether there is a fine network."""
    found = {}
    for pooling, cascade in product((4, 8, 16), (False, True)):
        head = CoarseToFineHead(joints, pooling, fine={} if cascade else None)
        found[pooling, cascade] = nn.ModuleList([MultiResolutionBanks(pooling), head]).eval()
    return found


def seconds(made: Networks, image: Tensor, rounds: int) -> dict[tuple[int, bool], float]:
    """Processor time of a forward pass, the shortest of several, for which networks take turns."""
    best = dict.fromkeys(made, float("inf"))
    with torch.inference_mode():
        for _, (key, (backbone, head)) in product(range(rounds), made.items()):
            began = time.process_time()
            head(backbone(image))
            best[key] = min(best[key], time.process_time() - began)
    return best


def cost_table(keypoints: Sequence[int], size: tuple[int, int], rounds: int) -> Iterator[str]:
    """Multiply-adds and processor time of the paper's networks; shares are of the coarse network at 4x."""
    heads = ("pooling", "joints", *("coarse, GMAC", "cascade, GMAC", "share"), *("coarse, s", "cascade, s", "share"))
    yield f"{size[0]}x{size[1]} px, one thread\n"
    yield f"| {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|---|"
    for joints in keypoints:
        made = networks(joints)
        took = seconds(made, torch.rand(1, 3, size[1], size[0]), rounds)
        macs = {}
        for key, (backbone, head) in made.items():
            count = partial(_forward, backbone, head)
            macs[key] = measure_complexity(made[key], size, count).flops / 2e9
        for pooling in (4, 8, 16):
            row = [f"| {pooling}x | {joints}"]
            for found in (macs, took):
                coarse, cascade = found[pooling, False], found[pooling, True]
                row.append(f"{coarse:.1f} | {cascade:.1f} | {cascade / found[4, False]:.2f}")
            yield " | ".join(row) + " |"


def _forward(backbone: nn.Module, head: nn.Module, images: Tensor) -> object:
    return head(backbone(images))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--joints", default="7,11,14", help="the paper has 7 on FLIC, 14 on MPII")
    parser.add_argument("--size", default="360x240", help="of the crops, px")
    parser.add_argument("--rounds", type=int, default=4, help="passes of each that are timed, in turn")
    options = parser.parse_args()
    torch.set_num_threads(1)
    width, height = map(int, options.size.split("x"))
    for line in cost_table([int(k) for k in options.joints.split(",")], (width, height), options.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
