"""Training boxes as a detector would give them, and the target of RMPE's parallel estimator.

Before the affine, in place of ``RandomBBoxTransform``::

    dict(type='GetBBoxCenterScale', padding=1.2),
    dict(type='ProposalBox', padding=1.2),
    dict(type='TopdownAffine', input_size=...),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='CentredTarget', encoder=codec),  # where there is a parallel estimator
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.transforms import PackPoseInputs, TopdownAffine
from mmpose.registry import KEYPOINT_CODECS, TRANSFORMS
from mmpose.structures.bbox import get_udp_warp_matrix, get_warp_matrix

from ..data.proposals import Proposals, offset_box, patch_of, read_proposals
from ..system.errors import OccbenchError

CENTRED = ("centred_center", "centred_scale")


@TRANSFORMS.register_module()
class ProposalBox(BaseTransform):
    """Moves the edges of a person's box as a detector might, or takes a part of it (a patch).

    Offsets are drawn on the grown box and are shares of the box before it was grown, as in both published programs. The
    box as it was is kept for :class:`CentredTarget`; that of a patch is the patch itself: of a person who is half
    outside, no centring is asked.

    Args:
        padding: As of the GetBBoxCenterScale before it: what the box was grown by.
        patch: Chance of a patch; its share of the sides is drawn uniformly from 1 - ``patch`` to 1.
        p: Chance that anything is drawn; 0 only keeps the box, for RandomBBoxTransform to move.
        offsets: A file of `occbench fit-proposals`; None for the published Gaussians.

    Raises:
        OccbenchError: A number is not what it can be, or the file is none.
    """

    def __init__(self, padding: float, patch: float = 0.15, p: float = 1.0, offsets: str | None = None) -> None:
        if padding <= 0 or not 0 <= patch < 1 or not 0 <= p <= 1:
            raise OccbenchError(
                f"ProposalBox needs padding above 0, patch in [0, 1) and p in [0, 1], but got padding={padding}, "
                f"patch={patch}, p={p}"
            )
        self.padding = padding
        self.patch = patch
        self.p = p
        self.proposals = Proposals() if offsets is None else read_proposals(Path(offsets))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``bbox_center`` and ``bbox_scale``, shape (1, 2), and keep them as ``centred_...``."""
        center, scale = results["bbox_center"][0], results["bbox_scale"][0]
        results.update(zip(CENTRED, (center.copy(), scale.copy()), strict=True))
        if self.p < 1 and np.random.random() >= self.p:  # noqa: NPY002 (what SeedSample seeds)
            return results
        height, width = results["img_shape"][:2]
        grown = np.concatenate([center - scale / 2, center + scale / 2])
        share = np.random.random()  # noqa: NPY002
        if share > 1 - self.patch:
            box = patch_of(grown, (width, height), share, np.random.random(2))  # noqa: NPY002
        else:
            visible = results["keypoints_visible"][0]
            labelled = (visible if visible.ndim == 1 else visible[:, 0]) > 0
            offsets = self.proposals.of(results["keypoints"][0][:, :2], labelled)
            box = offset_box(grown, scale / self.padding, (width, height), offsets, np.random.standard_normal(4))  # noqa: NPY002
        results["bbox_center"] = ((box[:2] + box[2:]) / 2)[None].astype(np.float32)
        results["bbox_scale"] = (box[2:] - box[:2])[None].astype(np.float32)
        if share > 1 - self.patch:
            results.update(zip(CENTRED, (results["bbox_center"][0], results["bbox_scale"][0]), strict=True))
        return results


@TRANSFORMS.register_module()
class CentredTarget(BaseTransform):
    """The heatmaps of the person in the box that :class:`ProposalBox` kept: what the parallel estimator is to find.

    Args:
        encoder: Codec of the heatmaps, as of GenerateTarget.
        use_udp: As of TopdownAffine.
    """

    def __init__(self, encoder: dict[str, Any], use_udp: bool = False) -> None:
        self.codec = KEYPOINT_CODECS.build(dict(encoder))
        self.use_udp = use_udp

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``parallel_heatmaps``, shape (K, h, w), and ``parallel_weights``, shape (1, K), to be packed."""
        width, height = results["input_size"]
        center = results.get(CENTRED[0], results["input_center"])
        scale = np.asarray(results.get(CENTRED[1], results["input_scale"]))[None]
        scale = TopdownAffine._fix_aspect_ratio(scale, aspect_ratio=width / height)[0]
        rotation = results["bbox_rotation"][0] if "bbox_rotation" in results else 0.0
        make = get_udp_warp_matrix if self.use_udp else get_warp_matrix
        warp = make(center, scale, rotation, output_size=(width, height))
        points = results["keypoints"][..., :2] @ warp[:, :2].T + warp[:, 2]
        visible = results["keypoints_visible"]
        encoded = self.codec.encode(
            keypoints=points.astype(np.float32), keypoints_visible=visible[..., 0] if visible.ndim == 3 else visible
        )
        results["parallel_heatmaps"] = encoded["heatmaps"]
        results["parallel_weights"] = encoded["keypoint_weights"]
        for table, key in (("field_mapping_table", "parallel_heatmaps"), ("label_mapping_table", "parallel_weights")):
            results[table] = {**results.get(table, getattr(PackPoseInputs, table)), key: key}
        return results
