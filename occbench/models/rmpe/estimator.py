"""The symmetric spatial transformer around a top-down heatmap estimator, with the parallel estimator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...system.errors import OccbenchError
from .transformer import inverse, transformed

PARALLEL = "parallel."
"""How the names of weights begin that only a training has."""

_LOCALISER = "localiser."
_PARTS = ("backbone", "neck", "head")


@MODELS.register_module()
class SymmetricSTN(TopdownPoseEstimator):
    """Localisation net -> STN -> the estimator -> SDTN: heatmaps come back in the frame of the crop that came in.

    Loss, averaging with the mirrored crop and decoding are behind the SDTN. The mirrored crop goes through a map of its
    own. It starts as the identity, so weights of the plain estimator (or a training's start from them, ``--init``) are
    weights of this one too.

    The parallel estimator has the same architecture and, where ``parallel_checkpoint`` names no other, the weights that
    the training starts from. It is frozen, batch norms included. It reads the STN's output, and without an SDTN it is
    to find the person where the undisturbed box would have shown them
    (:class:`~occbench.augmentations.CentredTarget`), so the STN learns to move a wrong box back. It is there in
    trainings alone.

    Args:
        backbone: Of the estimator, as of TopdownPoseEstimator; so the neck and the head, whose output are heatmaps, of
            one stage or several.
        localiser: Config of the localisation net.
        parallel: Whether there is a parallel estimator.
        parallel_checkpoint: A file with the weights of the plain estimator, for it.
        parallel_weight: Factor of its loss.
        align_corners: What positions -1 and 1 are, see :mod:`.transformer`.
        **others: As of TopdownPoseEstimator.

    Raises:
        OccbenchError: The head does not give heatmaps; or, from a training, the parallel estimator has no weights.
    """

    def __init__(
        self,
        backbone: Any,
        neck: Any = None,
        head: Any = None,
        localiser: Any = None,
        parallel: bool = False,
        parallel_checkpoint: str | None = None,
        parallel_weight: float = 1.0,
        align_corners: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(backbone=backbone, neck=neck, head=head, **others)
        if not self.with_head or not hasattr(self.head, "loss_module") or not hasattr(self.head, "out_channels"):
            raise OccbenchError(
                f"a SymmetricSTN carries heatmaps back, but its head is a {(head or {}).get('type')}: give a head of "
                "heatmaps, such as HeatmapHead or CPMHead"
            )
        self.localiser = MODELS.build(localiser or {"type": "LocalisationNet"})
        self.align_corners = align_corners
        self.parallel_weight = parallel_weight
        self.parallel: nn.Module | None = None
        self._parallel_knows = False
        if parallel:
            self.parallel = MODELS.build(
                {"type": "TopdownPoseEstimator", "backbone": backbone, "neck": neck, "head": head}
            )
            self.parallel.requires_grad_(False)
            self.parallel.eval()
            if parallel_checkpoint is not None:
                self._load_parallel(parallel_checkpoint)
        self._register_load_state_dict_pre_hook(self._complete)

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor | tuple[Tensor, ...]:
        """Heatmaps, shape (B, K, h, w), or those of every stage, of images (B, 3, H, W), normalised."""
        return self._through(inputs)[0]

    def _through(self, inputs: Tensor) -> tuple[Tensor | tuple[Tensor, ...], Tensor]:
        """The heatmaps behind the SDTN, and the image behind the STN."""
        theta = self.localiser(inputs)
        seen = transformed(inputs, theta, self.align_corners)
        found, back = self.head.forward(self.extract_feat(seen)), inverse(theta)
        if isinstance(found, Tensor):
            return transformed(found, back, self.align_corners), seen
        return tuple(transformed(stage, back, self.align_corners) for stage in found), seen

    def predict(self, inputs: Tensor, data_samples: Any) -> Any:
        """As of TopdownPoseEstimator."""
        maps = _stages(self._forward(inputs))[-1]
        if self.test_cfg.get("flip_test", False):
            flipped = flip_heatmaps(
                _stages(self._forward(inputs.flip(-1)))[-1],
                flip_mode=self.test_cfg.get("flip_mode", "heatmap"),
                flip_indices=data_samples[0].metainfo["flip_indices"],
                shift_heatmap=self.test_cfg.get("shift_heatmap", False),
            )
            maps = (maps + flipped) * 0.5
        return self.add_pred_to_datasample(self.head.decode(maps), None, data_samples)

    def loss(self, inputs: Tensor, data_samples: Any) -> dict[str, Tensor]:
        """The head's loss behind the SDTN, summed over the stages, and that of the parallel estimator.

        Raises:
            OccbenchError: The parallel estimator has no weights, or the pipeline gives it no target.
        """
        found, seen = self._through(inputs)
        target = torch.stack([sample.gt_fields.heatmaps for sample in data_samples])
        weights = torch.cat([sample.gt_instance_labels.keypoint_weights for sample in data_samples])
        losses = {"loss_kpt": _loss(self.head, _stages(found), target, weights)}
        if self.parallel is None:
            return losses
        if not self._parallel_knows:
            raise OccbenchError(
                "the parallel estimator is frozen, so it needs the weights of a trained estimator: start from one with "
                "--init, or name parallel_checkpoint in the config"
            )
        if "parallel_heatmaps" not in data_samples[0].gt_fields:
            raise OccbenchError(
                "the parallel estimator has no target: put CentredTarget behind GenerateTarget in the train pipeline"
            )
        target = torch.stack([sample.gt_fields.parallel_heatmaps for sample in data_samples])
        weights = torch.cat([sample.gt_instance_labels.parallel_weights for sample in data_samples])
        parallel: Any = self.parallel
        found = parallel.head.forward(parallel.extract_feat(seen))
        losses["loss_parallel"] = self.parallel_weight * _loss(parallel.head, _stages(found), target, weights)
        return losses

    def train(self, mode: bool = True) -> SymmetricSTN:
        """As of a module; the parallel estimator stays in evaluation mode."""
        super().train(mode)
        if self.parallel is not None:
            self.parallel.eval()
        return self

    def init_weights(self) -> None:
        """As of MMEngine; the parallel estimator takes no weights that nobody trained."""
        parallel, self.parallel = self.parallel, None
        super().init_weights()
        self.parallel = parallel

    def _load_parallel(self, checkpoint: str) -> None:
        from ...weights.checkpoints import load_into, load_state_dict

        assert self.parallel is not None
        load_into(self.parallel, load_state_dict(Path(checkpoint)), checkpoint)
        self._parallel_knows = True

    def _complete(self, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
        """Before weights are loaded: those of the plain estimator leave the map as it is and are the parallel one's.

        A localisation net with a backbone of the same kind begins with that of the plain estimator.
        """
        names = [name.removeprefix(prefix) for name in state_dict if name.startswith(prefix)]
        plain = bool(names) and not any(name.startswith(_LOCALISER) for name in names)
        if plain:
            own: Mapping[str, Tensor] = self.localiser.state_dict()
            known = {name: state_dict.get(prefix + name) for name in own if name.startswith("backbone.")}
            if all(value is not None and value.shape == own[name].shape for name, value in known.items()):
                own = {**own, **{name: value.clone() for name, value in known.items() if value is not None}}
            state_dict.update({f"{prefix}{_LOCALISER}{name}": value for name, value in own.items()})
        taught = any(name.startswith(PARALLEL) for name in names)
        if self.parallel is None:
            for name in names:
                if name.startswith(PARALLEL):
                    del state_dict[prefix + name]
        elif not taught:
            taught = not self._parallel_knows
            source: Mapping[str, Tensor] = self.parallel.state_dict()
            if taught:
                source = {name: state_dict[prefix + name].clone() for name in names if name.partition(".")[0] in _PARTS}
            state_dict.update({f"{prefix}{PARALLEL}{name}": value for name, value in source.items()})
        self._parallel_knows |= taught


def _stages(found: Any) -> tuple[Tensor, ...]:
    return (found,) if isinstance(found, Tensor) else tuple(found)


def _loss(head: Any, stages: tuple[Tensor, ...], target: Tensor, weights: Tensor) -> Tensor:
    """The head's own loss of every stage, added up."""
    several = isinstance(head.loss_module, nn.ModuleList)
    terms = [
        (head.loss_module[i] if several else head.loss_module)(stage, target, weights) for i, stage in enumerate(stages)
    ]
    return torch.stack(terms).sum()
