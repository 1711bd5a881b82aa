"""From the checkpoints of a training to weights that load safely."""

from __future__ import annotations

from pathlib import Path

from ..system.errors import OccbenchError

EXPORTED = "model.pth"

Meta = dict[str, str | int | float | bool]


def best_checkpoint(out: Path) -> Path:
    """The checkpoint of the best validated epoch in a training folder, else the last one.

    Raises:
        OccbenchError: There is no checkpoint.
    """
    best = sorted(out.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    if best:
        return best[-1]
    last = out / "last_checkpoint"
    if not last.is_file():
        raise OccbenchError(f"{out} holds no checkpoint of a training")
    return out / Path(last.read_text().strip()).name  # the folder may have been moved


def export_checkpoint(src: Path, dst: Path, meta: Meta | None = None) -> Path:
    """Write the weights of a Runner's checkpoint alone, in a file that ``torch.load(weights_only=True)`` reads.

    Those that only a training has (of a SymmetricSTN's parallel estimator) are left out.

    Args:
        src: A checkpoint written by this project's own training (it is unpickled).
        dst: Where ``{"meta": ..., "state_dict": ...}`` goes, in place only when complete.
        meta: Plain values to keep beside the weights.

    Raises:
        OccbenchError: A weight is not finite.
    """
    import torch

    from ..models.rmpe import PARALLEL

    checkpoint = torch.load(src, map_location="cpu", weights_only=False)
    weights = {
        key: value.detach().clone().contiguous()
        for key, value in checkpoint["state_dict"].items()
        if not key.startswith(PARALLEL)
    }
    broken = [key for key, value in weights.items() if not torch.isfinite(value).all()]
    if broken:
        raise OccbenchError(
            f"{len(broken)} weights of {src} are not finite ({broken[0]}, ...): nothing is exported; lower --lr"
        )
    partial = dst.with_name(dst.name + ".partial")
    torch.save({"meta": dict(meta or {}), "state_dict": weights}, partial)
    partial.replace(dst)
    return dst
