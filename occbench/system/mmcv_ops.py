"""The two mmcv operators that pose models and common detectors need, in torch (see :mod:`occbench.system.compat`).

torchvision's compiled operators are used where they load; the plain versions below equal them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def _compiled(name: str) -> bool:
    """Whether torchvision's compiled operator runs here (it does not beside a torch it was not built for)."""
    operator = f"torchvision::{name}"
    if not torch._C._jit_get_schemas_for_operator(operator):
        return False
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(operator, "CPU"))


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: Shape (N, 4), x1 y1 x2 y2.
        scores: Shape (N,).
        iou_threshold: A box is dropped when its IoU with a kept, better one is larger.
        offset: 0, or 1 where a box's width is x2 - x1 + 1.

    Returns:
        Indices of the kept boxes, best first, int64.
    """
    if offset == 0 and _compiled("nms"):
        import torchvision.ops

        return torchvision.ops.nms(boxes, scores, iou_threshold)
    return plain_nms(boxes, scores, iou_threshold, offset)


def plain_nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """:func:`nms` in torch."""
    order = scores.argsort(descending=True, stable=True)
    b = boxes[order]
    area = (b[:, 2:] - b[:, :2] + offset).prod(1)
    alive = torch.ones(len(b), dtype=torch.bool, device=b.device)
    keep = []
    for i in range(len(b)):
        if not alive[i]:
            continue
        keep.append(i)
        top_left = torch.maximum(b[i, :2], b[i + 1 :, :2])
        bottom_right = torch.minimum(b[i, 2:], b[i + 1 :, 2:])
        overlap = (bottom_right - top_left + offset).clamp(min=0).prod(1)
        iou = overlap / (area[i] + area[i + 1 :] - overlap)
        alive[i + 1 :] &= ~(iou > iou_threshold)
    return order[torch.tensor(keep, dtype=torch.long, device=b.device)]


def roi_align_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """RoIAlign with average pooling, written into ``output`` as mmcv's operator does.

    Args:
        features: Shape (N, C, H, W).
        rois: Shape (R, 5): index into the batch, x1 y1 x2 y2 in input px.
        output: Shape (R, C, aligned_height, aligned_width); overwritten.
        argmax_y: Unused (max pooling only).
        argmax_x: Unused (max pooling only).
        aligned_height: Output rows.
        aligned_width: Output columns.
        spatial_scale: Feature px per input px.
        sampling_ratio: Samples per bin and axis; 0 for as many as fit.
        pool_mode: 1 for average; 0 (max) is not supported.
        aligned: Whether boxes are shifted by half a px.
    """
    if pool_mode != 1:
        raise NotImplementedError("RoIAlign with max pooling needs the compiled mmcv operators")
    size = (aligned_height, aligned_width)
    if _compiled("roi_align"):
        import torchvision.ops

        pooled = torchvision.ops.roi_align(features, rois, size, spatial_scale, sampling_ratio, aligned)
        output.copy_(pooled)
        return
    for r, roi in enumerate(rois):
        output[r] = _align_one(features[int(roi[0])], roi[1:] * spatial_scale, size, sampling_ratio, aligned)


def _align_one(feature: Tensor, box: Tensor, size: tuple[int, int], sampling_ratio: int, aligned: bool) -> Tensor:
    x1, y1, x2, y2 = (box - 0.5 if aligned else box).tolist()
    width, height = x2 - x1, y2 - y1
    if not aligned:
        width, height = max(width, 1.0), max(height, 1.0)
    ys = _samples(y1, height, size[0], sampling_ratio).to(feature)
    xs = _samples(x1, width, size[1], sampling_ratio).to(feature)
    values = _bilinear(feature, ys.flatten(), xs.flatten())
    if values.numel() == 0:
        return feature.new_zeros((len(feature), *size))
    return values.reshape(len(feature), size[0], ys.shape[1], size[1], xs.shape[1]).mean((2, 4))


def _samples(start: float, length: float, bins: int, ratio: int) -> Tensor:
    """Sample positions along one axis, shape (bins, samples per bin), float64."""
    per_bin = ratio if ratio > 0 else max(0, -int(-(length / bins) // 1))
    step = length / bins
    offsets = (torch.arange(per_bin, dtype=torch.float64) + 0.5) / max(per_bin, 1)
    return start + step * (torch.arange(bins, dtype=torch.float64)[:, None] + offsets[None])


def _bilinear(feature: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
    """Bilinear values of (C, H, W) at the grid ``ys`` x ``xs``; zero further than 1 px outside."""
    _, height, width = feature.shape

    def axis(at: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        inside = (at >= -1) & (at <= size)
        at = at.clamp(0, size - 1)
        low = at.floor().long().clamp(max=size - 1)
        high = (low + 1).clamp(max=size - 1)
        return low, high, at - low, inside

    y0, y1, fy, in_y = axis(ys, height)
    x0, x1, fx, in_x = axis(xs, width)
    top = feature[:, y0][:, :, x0] * (1 - fx) + feature[:, y0][:, :, x1] * fx
    bottom = feature[:, y1][:, :, x0] * (1 - fx) + feature[:, y1][:, :, x1] * fx
    mixed = top * (1 - fy)[:, None] + bottom * fy[:, None]
    return mixed * (in_y[:, None] & in_x[None]).to(mixed)
