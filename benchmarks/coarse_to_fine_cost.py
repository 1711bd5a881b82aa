"""What coarse-to-fine networks of the paper's width cost at 4x, 8x and 16x pooling (Tompson et al., Table 2).

OMP_NUM_THREADS=1 python benchmarks/coarse_to_fine_cost.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

import torch

from occbench.models import CoarseToFineHead, MultiResolutionBanks
from occbench.models.complexity import measure_complexity


def cost_table(keypoints: Sequence[int], size: tuple[int, int], repeats: int) -> Iterator[str]:
    """Multiply-adds of the paper's networks, and the shortest time of a forward pass on this machine."""
    yield f"| {size[0]}x{size[1]} px | joints | coarse, GMAC | cascade, GMAC | coarse, ms | cascade, ms |"
    yield "|---|---|---|---|---|---|"
    for joints in keypoints:
        for pooling in (4, 8, 16):
            cells = []
            for fine in (None, {}):
                parts = torch.nn.ModuleList(
                    [MultiResolutionBanks(pooling), CoarseToFineHead(joints, pooling, fine=fine)]
                )
                parts.eval().to(memory_format=torch.channels_last)
                image = torch.rand(1, 3, size[1], size[0])
                times = []
                with torch.inference_mode():
                    for _ in range(repeats):
                        began = time.perf_counter()
                        parts[1](parts[0](image))
                        times.append(time.perf_counter() - began)
                counted = measure_complexity(parts, size, lambda x, parts=parts: parts[1](parts[0](x)))  # type: ignore[misc]
                cells.append((counted.flops / 2e9, 1000 * min(times)))
            (macs, ms), (both_macs, both_ms) = cells
            yield f"| {pooling}x | {joints} | {macs:.1f} | {both_macs:.1f} | {ms:.0f} | {both_ms:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--joints", default="7,11,14", help="the paper has 7 on FLIC, 14 on MPII")
    parser.add_argument("--size", default="360x240", help="of the crops, px")
    parser.add_argument("--repeats", type=int, default=3, help="passes that are timed")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    for line in cost_table([int(k) for k in options.joints.split(",")], (width, height), options.repeats):
        print(line, flush=True)


if __name__ == "__main__":
    main()
