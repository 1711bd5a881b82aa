"""Narrow bottom-up and one-stage networks of MMPose's own configs, with given random weights that find people.

Their scores are spread by hand and their normalisation is fitted to the photos, so that each photo has a handful of
persons, all of them nonsense.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occbench.data.persons import Photo
from occbench.data.photos import decode
from occbench.estimators.config import load_config
from occbench.estimators.photo_model import PhotoModel
from occbench.system.compat import setup_mmpose
from occbench.weights.zoo import find_model

SIDE = 64
"""Of the input, px."""


@dataclass(frozen=True)
class SmallModel:
    """Files of a model.

    Attributes:
        config: An MMPose config.
        weights: Its checkpoint.
    """

    config: Path
    weights: Path

    def load(self) -> PhotoModel:
        """The estimator."""
        return PhotoModel(self.config, self.weights)


def narrow_hrnet(config: Any) -> None:
    """An HRNet whose finest branch has 8 channels."""
    for stage in ("stage1", "stage2", "stage3", "stage4"):
        about = config.model.backbone.extra[stage]
        branches = len(about.num_channels)
        widths = tuple(8 * 2**i for i in range(branches))
        about.update(num_modules=1, num_blocks=(1,) * branches, num_channels=widths)


def narrow_ae(config: Any) -> None:
    """Associative embedding on a narrow HRNet."""
    narrow_hrnet(config)
    config.model.head.in_channels = 8
    config.model.head.decoder.update(
        input_size=(SIDE, SIDE), heatmap_size=(SIDE, SIDE), decode_topk=4, decode_max_instances=4, decode_tag_thr=0.5
    )


def narrow_dekr(config: Any) -> None:
    """DEKR, with its deformable convolutions and its rescoring, on a narrow HRNet."""
    narrow_hrnet(config)
    config.model.head.in_channels = 8 + 16 + 32 + 64
    config.model.head.rescore_cfg.pop("init_cfg")
    config.model.head.decoder.update(heatmap_size=(SIDE // 4, SIDE // 4), input_size=(SIDE, SIDE))
    config.model.test_cfg.max_num_people = 6


def narrow_cid(config: Any) -> None:
    """CID on a narrow HRNet, without the OKS-NMS of its own evaluator."""
    narrow_hrnet(config)
    config.model.head.update(in_channels=8 + 16 + 32 + 64, gfd_channels=8)
    config.model.head.decoder.update(heatmap_size=(SIDE // 4, SIDE // 4), input_size=(SIDE, SIDE))
    config.model.test_cfg.max_instances = 6
    config.test_evaluator.nms_mode = "none"


def narrow_edpose(config: Any) -> None:
    """ED-Pose on ResNet-18, with one layer that finds persons and one that finds their keypoints."""
    model, head = config.model, config.model.head
    model.backbone.depth = 18
    model.neck.in_channels = [128, 256, 512]
    attention = {"embed_dims": 256, "num_heads": 4, "batch_first": True}
    deformable = {**attention, "num_levels": 4, "num_points": 4}
    feed = {"embed_dims": 256, "feedforward_channels": 64}
    head.encoder.update(num_layers=1, layer_cfg={"self_attn_cfg": deformable, "ffn_cfg": feed})
    layer = {"self_attn_cfg": attention, "cross_attn_cfg": deformable, "ffn_cfg": feed}
    head.decoder.update(num_layers=2, layer_cfg=layer, num_group=6, num_box_decoder_layers=1)
    head.num_queries = 20
    head.out_head.update(num_pred_layer=2, num_queries=20)
    head.data_decoder.num_select = 6


def narrow_yoloxpose(config: Any) -> None:
    """YOLOX-Pose, an eighth as wide."""
    model = config.model
    model.backbone.widen_factor = 0.125
    model.neck.update(in_channels=[32, 64, 128], out_channels=32)
    model.head.head_module_cfg.widen_factor = 0.125
    model.test_cfg.update(score_thr=0.5, nms_thr=0.3)


def narrow_rtmo(config: Any) -> None:
    """RTMO-s, an eighth as wide."""
    model = config.model
    model.backbone.widen_factor = 0.125
    model.neck.update(in_channels=[32, 64, 128], widen_factor=0.125, hidden_dim=64)
    model.neck.encoder_cfg.self_attn_cfg.update(embed_dims=64, num_heads=4)
    model.neck.encoder_cfg.ffn_cfg.update(embed_dims=64, feedforward_channels=64)
    model.neck.projector.update(in_channels=[64, 64], out_channels=64)
    model.head.head_module_cfg.update(in_channels=64, cls_feat_channels=64, pose_vec_channels=64)
    model.head.dcc_cfg.in_channels = 64
    model.test_cfg.update(input_size=(SIDE, SIDE), score_thr=0.7, nms_thr=0.3)


def spread_ae(net: Any) -> None:
    """Heatmaps with peaks over the threshold, and tags apart."""
    import torch

    torch.nn.init.normal_(net.head.final_layer.weight, std=0.5)


def spread_rtmo(net: Any) -> None:
    """Scores from 0 to 1, boxes of some tens of px."""
    import torch

    module = net.head.head_module
    for layers, std, bias in ((module.out_cls, 2.0, 0.0), (module.out_bbox, 0.3, 1.0), (module.out_kpt_vis, 1.0, 0.0)):
        for layer in layers:
            torch.nn.init.normal_(layer.weight, std=std / layer.weight[0].numel() ** 0.5)
            torch.nn.init.constant_(layer.bias, bias)


def spread_dekr(net: Any) -> None:
    """Heatmaps with peaks over the threshold, and displacements of some px."""
    import torch

    torch.nn.init.normal_(net.head.heatmap_conv_layers[-1].weight, std=0.3)
    for module in net.head.displacement_conv_layers[-1].modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.normal_(module.weight, std=0.3)


def spread_cid(net: Any) -> None:
    """Maps from 0 to 1."""
    import torch

    torch.nn.init.normal_(net.head.iia_module.keypoint_root_conv.weight, std=0.3)
    torch.nn.init.normal_(net.head.gfd_module.heatmap_conv.weight, std=0.5)


def spread_edpose(net: Any) -> None:
    """The one parameter that MMPose leaves to chance, and scores and keypoints apart."""
    import torch

    torch.nn.init.normal_(net.head.level_embed)
    for layer in net.head.out_head.class_embed:
        torch.nn.init.normal_(layer.weight)
    for layer in net.head.out_head.pose_embed:  # shared with the decoder; else persons are next to a point
        torch.nn.init.normal_(layer.layers[-1].weight, std=0.2)


def spread_yoloxpose(net: Any) -> None:
    """Scores from 0 to 1, boxes of some tens of px."""
    import torch

    module = net.head.head_module
    spread = ((module.out_cls, 0.3, 1.0), (module.out_obj, 0.3, 1.0), (module.out_bbox, 0.05, 0.7))
    for layers, std, bias in (*spread, (module.out_kpt, 0.05, 0.0), (module.out_kpt_vis, 0.3, 0.0)):
        for layer in layers:
            torch.nn.init.normal_(layer.weight, std=std / layer.weight[0].numel() ** 0.5)
            torch.nn.init.constant_(layer.bias, bias)


KINDS: dict[str, tuple[str, Callable[[Any], None], Callable[[Any], None]]] = {
    "ae": ("ae-hrnet", narrow_ae, spread_ae),
    "rtmo": ("rtmo-s_8xb32-600e_coco-640x640", narrow_rtmo, spread_rtmo),
    "dekr": ("dekr_hrnet-w32_8xb10-140e_coco-512x512", narrow_dekr, spread_dekr),
    "cid": ("cid_hrnet-w32_8xb20-140e_coco-512x512", narrow_cid, spread_cid),
    "yoloxpose": ("yoloxpose_s_8xb32-300e_coco-640", narrow_yoloxpose, spread_yoloxpose),
    "edpose": ("edpose-res50", narrow_edpose, spread_edpose),
}


def make_small(kind: str, photos: Sequence[Photo], folder: Path, seed: int = 0, **thresholds: float) -> SmallModel:
    """Write a config and weights.

    Args:
        kind: Of :data:`KINDS`.
        photos: That its normalisation is fitted to.
        folder: Where to.
        seed: Of the weights.
        thresholds: In place of the decoder's, or of the test's.
    """
    setup_mmpose()
    import torch
    from mmpose.models import build_pose_estimator

    name, narrow, spread = KINDS[kind]
    config = load_config(find_model(name).config_path)
    config.model.backbone.pop("init_cfg", None)
    for step in config.test_dataloader.dataset.pipeline:
        if step["type"] == "BottomupResize":
            step["input_size"] = (SIDE, SIDE)
        elif step["type"] == "BottomupRandomChoiceResize":
            step["scales"] = [(SIDE, SIDE * 5 // 3)]
    narrow(config)
    (config.model.head.decoder if kind in ("ae", "dekr") else config.model.test_cfg).update(thresholds)
    files = SmallModel(folder / f"{kind}-small.py", folder / f"{kind}-small.pth")
    config.dump(files.config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = build_pose_estimator(config.model)
        spread(net)
        torch.save(net.state_dict(), files.weights)
        model = files.load()
        _fit_normalisation(model._model, [model.prepare(decode(photo)).content for photo in photos])
    torch.save(model._model.state_dict(), files.weights)
    return files


def _fit_normalisation(net: Any, inputs: Sequence[Any]) -> None:
    """Set the running means and variances to those of the photos."""
    import torch

    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    if not norms:
        return  # a backbone that keeps what it was trained with
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True
    with torch.no_grad():
        for image, sample in inputs:
            batch = net.data_preprocessor({"inputs": [image], "data_samples": [sample]}, False)["inputs"]
            net.head(net.extract_feat(batch))
    for norm in norms:
        norm.training = False
