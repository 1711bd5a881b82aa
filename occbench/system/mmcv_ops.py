"""The mmcv operators that pose models and common detectors need, in torch (see :mod:`occbench.system.compat`).

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


def deform_conv_forward(
    features: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Deformable convolution (Dai et al. 2017), written into ``output`` as mmcv's operator does; DEKR needs it.

    Args:
        features: Shape (N, C, H, W).
        weight: Shape (C_out, C / group, kH, kW).
        offset: Shape (N, 2 * deformable_group * kH * kW, H_out, W_out): y, x of every kernel point in turn, px.
        output: Shape (N, C_out, H_out, W_out); overwritten.
        columns: Unused; so ``ones`` and ``im2col_step``.
        kW: Width of the kernel; ``kH``: its height.
        dW: Stride; ``dH``: likewise.
        padW: Padding; ``padH``: likewise.
        dilationW: Of the kernel; ``dilationH``: likewise.
        group: Groups of channels that are convolved apart.
        deformable_group: Groups of channels that are shifted alike.
    """
    stride, padding, dilation = (dH, dW), (padH, padW), (dilationH, dilationW)
    if _compiled("deform_conv2d"):
        import torchvision.ops

        output.copy_(torchvision.ops.deform_conv2d(features, offset, weight, None, stride, padding, dilation))
        return
    output.copy_(_deformed(features, weight, offset, stride, padding, dilation, group, deformable_group))


Pair = tuple[int, int]


def _deformed(
    features: Tensor,
    weight: Tensor,
    offset: Tensor,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    deform_groups: int,
) -> Tensor:
    """Each kernel point's shifted picture by bilinear sampling (zero outside), then one matrix product."""
    n, channels, height, width = features.shape
    rows, columns = offset.shape[2:]
    kernel_h, kernel_w = weight.shape[2:]
    shifts = offset.view(n, deform_groups, kernel_h * kernel_w, 2, rows, columns)
    base_y = torch.arange(rows, device=offset.device)[:, None] * stride[0] - padding[0]
    base_x = torch.arange(columns, device=offset.device)[None] * stride[1] - padding[1]
    parts = features.view(n * deform_groups, channels // deform_groups, height, width)
    points = []
    for k in range(kernel_h * kernel_w):
        y = shifts[:, :, k, 0] + (base_y + k // kernel_w * dilation[0])
        x = shifts[:, :, k, 1] + (base_x + k % kernel_w * dilation[1])
        grid = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], dim=-1)
        grid = grid.view(n * deform_groups, rows, columns, 2).to(features)
        seen = torch.nn.functional.grid_sample(parts, grid, align_corners=True)
        points.append(seen.view(n, channels, rows * columns))
    unfolded = torch.stack(points, dim=2).view(n, groups, -1, rows * columns)
    kernels = weight.view(groups, weight.shape[0] // groups, -1)
    return torch.einsum("gok,ngkp->ngop", kernels, unfolded).reshape(n, weight.shape[0], rows, columns)


def ms_deform_attn_forward(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor, im2col_step: int
) -> Tensor:
    """Multi-scale deformable attention (Zhu et al. 2021) as mmcv has it for CPUs, on any device; ED-Pose needs it.

    Args:
        value: Shape (N, keys, heads, channels).
        shapes: Shape (levels, 2): height and width of each level.
        starts: Unused, like ``im2col_step``.
        locations: Shape (N, queries, heads, levels, points, 2), in 0 to 1.
        weights: Shape (N, queries, heads, levels, points).
    """
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    attended: Tensor = multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    return attended
