"""The head: coarse heatmaps, the fine network around their maxima, and the losses E1, E2 and E3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS
from torch import Tensor

from ...system.errors import OccbenchError, unknown_name
from ..pooling import sizes_are_constants
from .coarse import CoarseHeatmaps
from .fine import FineNetwork
from .maps import MapSquaredError, gaussian_maps
from .mirror import mirrored_maps, mirrored_points
from .windows import CropWindows, peaks, to_cells, to_px

PHASES = ("coarse", "fine", "joint")
"""What is trained (Section 4.2): the coarse network by E1, the fine one alone by E2, both by E3."""


@MODELS.register_module()
class CoarseToFineHead(BaseHead):
    """Gives heatmaps of the crop and, of a window around the maximum of each, one at the resolution of the crop.

    Args:
        num_joints: K.
        pooling: Of the backbone: crop px for a cell of the coarse heatmaps.
        coarse: Arguments of :class:`~.coarse.CoarseHeatmaps`.
        fine: Arguments of :class:`~.fine.FineNetwork`; None for the coarse network alone.
        window: Side of the windows, crop px (the paper says that those of two joints seldom overlap, no more).
        border: As of :class:`~.windows.CropWindows`.
        sigma: Of the target Gaussians, in px of the heatmap: cells of the coarse one, crop px in a window.
        fine_weight: Lambda of E3 = E1 + lambda E2.
        person_prior: A module that turns coarse heatmaps into beliefs about one person's joints
            (:class:`~.tree.PersonTree`); None, as it is by default: a crop has chosen its person.
        decoder: A JointPlaces with the size of the crop.

    Attributes:
        phase: One of :data:`PHASES`.
        mirror: For each joint, which one it is in the mirror; the flip test needs it.
    """

    def __init__(
        self,
        num_joints: int,
        pooling: int = 8,
        coarse: Mapping[str, Any] | None = None,
        fine: Mapping[str, Any] | None = None,
        window: int = 40,
        border: str = "zeros",
        sigma: float = 1.5,
        fine_weight: float = 0.1,
        person_prior: Mapping[str, Any] | None = None,
        decoder: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not sigma > 0 or fine_weight < 0:
            raise OccbenchError(
                f"sigma must be above 0 and fine_weight at least 0, but got sigma={sigma}, fine_weight={fine_weight}"
            )
        self.num_joints = num_joints
        self.pooling = pooling
        self.coarse = CoarseHeatmaps(num_joints, **(coarse or {}))
        self.fine = None if fine is None else FineNetwork(num_joints, **fine)
        self.windows = CropWindows(window, border)
        for stride in () if self.fine is None else self.fine.strides:
            self.windows.cells(stride)
        self.sigma = sigma
        self.criterion = MapSquaredError()
        self.fine_weight = fine_weight
        self.person_prior = None if person_prior is None else MODELS.build({**person_prior, "keypoints": num_joints})
        self.decoder = None if decoder is None else KEYPOINT_CODECS.build(decoder)
        self.phase = "coarse" if self.fine is None else "joint"
        self.mirror: tuple[int, ...] | None = None

    @property
    def stages(self) -> int:
        """How many predictions there are of a joint: coarse, and fine where there is a fine network."""
        return 1 if self.fine is None else 2

    @property
    def window(self) -> int | None:
        """Side of what the fine network looks at, crop px; None without one."""
        return None if self.fine is None else self.windows.size

    def set_phase(self, phase: str) -> None:
        """What :meth:`loss` is from now on.

        Raises:
            OccbenchError: The phase is unknown, or needs the fine network that is not there.
        """
        if phase not in PHASES:
            raise unknown_name("phase", phase, PHASES)
        if self.fine is None and phase != "coarse":
            raise OccbenchError(f"phase {phase!r} trains the fine network, which this head does not have (fine=None)")
        self.phase = phase

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What is decoded.

        Args:
            feats: Of a :class:`~.banks.MultiResolutionBanks`.

        Returns:
            Coarse heatmaps (B, K, h, w); the points of their maxima (B, K, 2), crop px; and, where there is a fine
            network, its heatmaps of the windows around these (B, K, n, n).
        """
        self._width(feats)
        heatmaps = self._beliefs(self.coarse(feats[0]))
        centres = self._centres(heatmaps)
        return (heatmaps, centres) if self.fine is None else (heatmaps, centres, self.look(feats, centres))

    def forward_both(self, feats: Sequence[Tensor], flipped: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """:meth:`forward` with the flip test.

        Coarse heatmaps are averaged before their maximum is looked for; the fine network then looks at that one point
        in both pictures, and the windows are averaged.

        Args:
            feats: Of the crops.
            flipped: Of the crops mirrored.
        """
        mirror, width = self._mirror(), self._width(feats)
        other = mirrored_maps(self.coarse(flipped[0]), mirror, width / self.pooling)
        heatmaps = self._beliefs((self.coarse(feats[0]) + other) / 2)
        centres = self._centres(heatmaps)
        if self.fine is None:
            return heatmaps, centres
        found = self.look(flipped, mirrored_points(centres, mirror, width))
        return heatmaps, centres, (self.look(feats, centres) + mirrored_maps(found, mirror)) / 2

    def look(self, feats: Sequence[Tensor], centres: Tensor) -> Tensor:
        """Fine heatmaps, shape (B, K, n, n), of windows around points (B, K, 2), crop px."""
        assert self.fine is not None
        banks = (len(feats) - 1) // 3
        sources = feats[1 : 1 + 2 * banks] if self.fine.source == "features" else feats[1 + 2 * banks :]
        windows = [self.windows(maps, centres, stride) for maps, stride in zip(sources, self.fine.strides, strict=True)]
        return self.fine(windows).float()

    def _beliefs(self, heatmaps: Tensor) -> Tensor:
        heatmaps = heatmaps.float()
        return heatmaps if self.person_prior is None or self.training else self.person_prior(heatmaps)

    def _centres(self, heatmaps: Tensor) -> Tensor:
        return to_px(peaks(heatmaps.detach()), self.pooling)

    def _width(self, feats: Sequence[Tensor]) -> int:
        """Of the crops, px: that of the first bank's first stage, before it pools."""
        with sizes_are_constants():
            width, cells = int(feats[1].shape[-1]), int(feats[0].shape[-1])
        if width // self.pooling != cells:
            raise OccbenchError(
                f"the head is made for {self.pooling}x pooling, but the backbone makes {cells} cells of {width} px; "
                "give both the same pooling"
            )
        return width

    def _mirror(self) -> tuple[int, ...]:
        if self.mirror is None or len(self.mirror) != self.num_joints:
            raise OccbenchError("the flip test needs to know which joints change places in a mirrored picture")
        return self.mirror

    def predict(self, feats: Any, batch_data_samples: Any, test_cfg: Any = {}) -> Any:  # noqa: B006 (as MMPose's)
        """Keypoints, crop px, and scores, the coarse maxima's height; with flip test, ``feats`` is of both pictures."""
        if test_cfg.get("flip_test", False):
            self.mirror = tuple(int(i) for i in batch_data_samples[0].metainfo["flip_indices"])
            found = self.forward_both(*feats)
        else:
            found = self.forward(feats)
        return self.decode(torch.cat([self.points(found)[-1], found[0].amax((2, 3))[..., None]], -1))

    def points(self, found: Sequence[Tensor]) -> list[Tensor]:
        """Of what :meth:`forward` gives, the coarse points and the fine ones, each (B, K, 2), crop px."""
        centres = found[1]
        if len(found) == 2:
            return [centres]
        return [centres, centres + peaks(found[2]) - (self.windows.size - 1) / 2]

    def loss(self, feats: Any, batch_data_samples: Any, train_cfg: Any = {}) -> Any:  # noqa: B006 (as MMPose's)
        """E1, E2 times lambda, or both, by the phase.

        Fine windows lie around the coarse maximum of the network as it is now; joints outside of their window, which
        the paper does not speak of, do not count in E2.
        """
        labels = [sample.gt_instance_labels for sample in batch_data_samples]
        self._width(feats)
        places = torch.cat([label.keypoint_labels for label in labels]).to(feats[0].device)
        weights = torch.cat([label.keypoint_weights for label in labels]).to(feats[0].device)
        heatmaps = self.coarse(feats[0]).float()
        found: dict[str, Tensor] = {}
        if self.phase != "fine":
            found["loss_coarse"] = self.coarse_loss(heatmaps, places, weights)
            if self.person_prior is not None:
                self.person_prior.count(to_cells(places, self.pooling), weights, heatmaps.shape[2:])
        if self.phase != "coarse":
            centres = self._centres(heatmaps)
            factor = self.fine_weight if self.phase == "joint" else 1.0
            found["loss_fine"] = factor * self.fine_loss(self.look(feats, centres), centres, places, weights)
        return found

    def coarse_loss(self, heatmaps: Tensor, places: Tensor, weights: Tensor) -> Tensor:
        """E1 (Eq. 1) of coarse heatmaps.

        Args:
            heatmaps: Shape (B, K, h, w).
            places: Of the joints, shape (B, K, 2), crop px.
            weights: Shape (B, K).
        """
        size = (heatmaps.shape[-1], heatmaps.shape[-2])
        return self.criterion(heatmaps, gaussian_maps(to_cells(places, self.pooling), size, self.sigma), weights)

    def fine_loss(self, heatmaps: Tensor, centres: Tensor, places: Tensor, weights: Tensor) -> Tensor:
        """E2 (Eq. 2) of the windows' heatmaps around centres (B, K, 2), crop px; the rest as of E1."""
        side = self.windows.size
        cells = places - centres + (side - 1) / 2
        inside = ((cells >= -0.5) & (cells < side - 0.5)).all(-1)
        return self.criterion(heatmaps, gaussian_maps(cells, (side, side), self.sigma), weights * inside)
