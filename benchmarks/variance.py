"""Response variance at initialisation through eight stacks: by initialisation, with and without variance control.

    python benchmarks/variance.py --plot docs/response-variance.svg

Random weights, random images, batch normalisation as in training: what "Learning Feature Pyramids for Human Pose
Estimation" shows in its Fig. 6. Prints the table of docs/hourglass.md.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from occbench.models import StackedHourglass
from occbench.models.variance import response_variances

CASES = tuple((init, control) for init in ("msr", "xavier", "branches") for control in (False, True))
NAMES = {"msr": "MSR", "xavier": "Xavier", "branches": "Eq. 15"}


def measure(init: str, control: bool, args: argparse.Namespace) -> np.ndarray:
    """Variances, shape (seeds, stacks, levels)."""
    found = []
    for seed in range(args.seeds):
        torch.manual_seed(seed)
        model = StackedHourglass(
            16, args.stacks, channels=args.channels, placement=args.placement, variance_control=control, init=init
        )
        model.init_weights()
        found.append(response_variances(model, torch.randn(args.batch, 3, args.size, args.size)))
    return np.array(found)


def spread(variances: np.ndarray) -> str:
    """The largest of a seed's variances (seeds, N) by its smallest, over the seeds."""
    ratios = variances.max(1) / variances.min(1)
    return f"{ratios.min():.1f} to {ratios.max():.1f}"


def plot(measured: dict[tuple[str, bool], np.ndarray], path: Path) -> None:
    """Every level's response against the depth, the stacks' own marked."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "variance"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.2), layout="constrained")
    colours = dict(zip(NAMES, ("#c44e52", "#dd8452", "#4c72b0"), strict=True))
    for (init, control), variances in measured.items():
        mean = np.exp(np.log(variances).mean(0))
        stacks, levels = mean.shape
        depth = np.arange(1, mean.size + 1) / levels
        skip = "BN-ReLU-conv skip" if control else "identity skips"
        axes.semilogy(
            depth, mean.ravel(), "-" if control else "--", color=colours[init], label=f"{NAMES[init]}, {skip}", lw=1.2
        )
        axes.semilogy(depth[levels - 1 :: levels], mean[:, -1], "o", color=colours[init], ms=4)
    axes.set_xlabel("stack (dots: response of the stack; between them: its levels, lowest resolution first)")
    axes.set_ylabel("variance of the response")
    axes.set_xticks(range(1, stacks + 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.17), frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


def main() -> None:
    """Measure, print the table, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stacks", type=int, default=8)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--size", type=int, default=128, help="of the images, px")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--placement", default="paper")
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    start, measured = time.monotonic(), {}
    stacks = " | ".join(str(stack + 1) for stack in range(args.stacks))
    print(f"| initialisation | skips | {stacks} | largest / smallest | with all levels |")
    print("|---|---|" + "---|" * (args.stacks + 2))
    for init, control in CASES:
        measured[init, control] = variances = measure(init, control, args)
        responses = variances[:, :, -1]
        ratios = spread(responses)
        every = spread(variances.reshape(args.seeds, -1))
        cells = [f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in np.exp(np.log(responses).mean(0))]
        skip = "BN-ReLU-conv" if control else "identity"
        print(f"| {NAMES[init]} | {skip} | {' | '.join(cells)} | {ratios} | {every} |")
    print(f"{time.monotonic() - start:.0f} s")
    if args.plot:
        plot(measured, args.plot)


if __name__ == "__main__":
    main()
