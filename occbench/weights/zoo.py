"""The models by name, and what else can be named on the command line."""

from __future__ import annotations

import os
from pathlib import Path

from ..system.errors import OccbenchError, quoted, unknown_name
from ..system.openmmlab import installed_config
from .zoo_model import OUTSIDE, OWN, ZooModel

__all__ = ["OWN", "ZooModel", "find_model", "list_models"]

_TOPDOWN = "body_2d_keypoint/topdown_heatmap"
_REGRESSION = "body_2d_keypoint/topdown_regression"
_TORCHVISION = "https://download.pytorch.org/models/keypointrcnn_resnet50_fpn_coco"

_RTMOS = (("s", "8xb32"), ("m", "16xb16"), ("l", "16xb16"))
_RTMO = "one stage; MMPose's metafile says CrowdPose, but the figures are of COCO"
_HIGHERHRNET = "https://download.openmmlab.com/mmpose/bottom_up/higher_hrnet"
_OF_0X = "bottom-up, by associative embedding; weights and figures of MMPose 0.x"
_CID = "bottom-up; the published figure is after OKS-NMS of .8, which is not done here"

_CROPS = (
    ("", "mpii", "256x256"),
    ("-flic", "flic", "360x240"),
    ("-lsp", "lsp", "256x256"),
    ("-coco", "coco", "256x256"),
)
_COARSE_TO_FINE = (
    ("coarse-to-fine", ("4x", "8x", "16x", "narrow"), "coarse-to-fine heatmaps, by pooling"),
    ("coarse", ("8x", "narrow"), "their coarse network alone"),
    ("standard-cascade", ("8x", "narrow"), "the same with a fine network of its own"),
)

_MODELS = (
    ZooModel(
        "hrnet-mini",
        OWN + "hrnet_mini.py",
        weights="hrnet-mini.pth",
        note="a narrow HRNet trained on the synthetic people of this project; weights in the package",
    ),
    ZooModel(
        "simplebaseline-mini",
        OWN + "simplebaseline_mini.py",
        weights="simplebaseline-mini.pth",
        note="a narrow SimpleBaseline trained on the same people; weights in the package",
    ),
    ZooModel(
        "hourglass-prm-mini",
        OWN + "hourglass_prm/hourglass-prm-mini_coco-192x128.py",
        weights="hourglass-prm-mini.pth",
        note="two narrow stacks with PRM-B* trained on the same people; weights in the package",
    ),
    ZooModel("hrnet", f"{_TOPDOWN}/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py", ("hrnet-w32",)),
    ZooModel("hrnet-w32-384", f"{_TOPDOWN}/coco/td-hm_hrnet-w32_8xb64-210e_coco-384x288.py"),
    ZooModel("hrnet-w48", f"{_TOPDOWN}/coco/td-hm_hrnet-w48_8xb32-210e_coco-256x192.py"),
    ZooModel("hrnet-w48-384", f"{_TOPDOWN}/coco/td-hm_hrnet-w48_8xb32-210e_coco-384x288.py"),
    ZooModel("hrnet-w32-dark", f"{_TOPDOWN}/coco/td-hm_hrnet-w32_dark-8xb64-210e_coco-256x192.py"),
    ZooModel("hrnet-w32-udp", f"{_TOPDOWN}/coco/td-hm_hrnet-w32_udp-8xb64-210e_coco-256x192.py"),
    ZooModel("litehrnet-18", f"{_TOPDOWN}/coco/td-hm_litehrnet-18_8xb64-210e_coco-256x192.py"),
    ZooModel("litehrnet-30", f"{_TOPDOWN}/coco/td-hm_litehrnet-30_8xb64-210e_coco-256x192.py"),
    ZooModel("simplebaseline", f"{_TOPDOWN}/coco/td-hm_res50_8xb64-210e_coco-256x192.py", ("res50",)),
    ZooModel(
        "hourglass", f"{_TOPDOWN}/coco/td-hm_hourglass52_8xb32-210e_coco-256x256.py", note="MMPose's has one stack"
    ),
    ZooModel("deeppose", f"{_REGRESSION}/coco/td-reg_res50_8xb64-210e_coco-256x192.py", note="one stage, ResNet-50"),
    ZooModel("rle", f"{_REGRESSION}/coco/td-reg_res50_rle-8xb64-210e_coco-256x192.py"),
    ZooModel("simcc", "body_2d_keypoint/simcc/coco/simcc_res50_8xb64-210e_coco-256x192.py", note="ResNet-50"),
    ZooModel("mspn", f"{_TOPDOWN}/coco/td-hm_4xmspn50_8xb32-210e_coco-256x192.py", note="four stages"),
    *(
        ZooModel(f"rtmpose-{size}", f"body_2d_keypoint/rtmpose/coco/rtmpose-{size}_8xb256-420e_coco-256x192.py")
        for size in "tsml"
    ),
    *(
        ZooModel(
            f"vitpose-{size[0]}",
            f"{_TOPDOWN}/coco/td-hm_ViTPose-{size}_8xb64-210e_coco-256x192.py",
            needs=("mmpretrain",),
        )
        for size in ("small", "base", "large", "huge")
    ),
    ZooModel("tinypose-256x192", OWN + "tinypose_256x192.py", note="weights are given with --checkpoint"),
    ZooModel("tinypose-128x96", OWN + "tinypose_128x96.py", note="weights are given with --checkpoint"),
    *(
        ZooModel(
            prefix + name,
            f"{OWN}hourglass_prm/{config or name}_{file}.py",
            (prefix + config,) if config else (),
            dataset,
            note=f"{note}; weights are given with --checkpoint",
        )
        for prefix, dataset, file in (("", "coco", "coco-256x192"), ("mpii-", "mpii", "mpii-256x256"))
        for name, config, note in (
            ("hourglass-8", "", "eight stacks"),
            ("hourglass-2", "", "two stacks"),
            ("hourglass-prm", "hourglass-prm-8", "eight stacks of Pyramid Residual Modules"),
            ("hourglass-prm-8-controlled", "", "the same with variance control"),
            ("hourglass-prm-2", "", "two stacks of Pyramid Residual Modules (PRM-B*)"),
            *((f"hourglass-prm-{variant}", "", f"the same with PRM-{variant.upper()}") for variant in "abcd"),
        )
    ),
    ZooModel(
        "hourglass-mini",
        OWN + "hourglass_prm/hourglass-mini_coco-192x128.py",
        note="two stacks of 64 features, for CPUs; weights are given with --checkpoint",
    ),
    *(
        ZooModel(
            f"rmpe-{name}",
            f"{OWN}rmpe/rmpe-{name}_coco-{size}.py",
            note=f"{what} in RMPE's symmetric spatial transformer; weights, also the plain model's, with --checkpoint",
        )
        for name, size, what in (
            ("hrnet", "256x192", "HRNet-W32"),
            ("simplebaseline", "256x192", "SimpleBaseline"),
            ("hourglass-prm", "256x192", "eight stacks of Pyramid Residual Modules"),
            ("hourglass-prm-2", "256x192", "two stacks of Pyramid Residual Modules"),
            ("hrnet-mini", "256x192", "the narrow HRNet"),
            ("hrnet-mini-30", "256x192", "the same, boxes grown by 30 %,"),
            ("simplebaseline-mini", "256x192", "the narrow SimpleBaseline"),
            ("hourglass-prm-mini", "192x128", "the narrow hourglass"),
        )
    ),
    *(
        ZooModel(
            f"deeppose-cascade{suffix}",
            f"{OWN}deeppose/deeppose-cascade{file}.py",
            dataset=dataset,
            note=f"{note}; weights are given with --checkpoint",
        )
        for suffix, dataset, file, note in (
            ("", "lsp", "_lsp-220x220", "DeepPose's cascade, three stages, sigma 2, for LSP"),
            ("-flic", "flic", "_flic-220x220", "the same for FLIC, two stages, sigma 1"),
            ("-coco", "coco", "_coco-220x220", "the same for COCO, three stages, sigma 2"),
            ("-narrow", "lsp", "-narrow_lsp-92x92", "a narrow one for LSP with batch normalisation, for CPUs"),
        )
    ),
    *(
        ZooModel(
            f"{kind}-{what}{suffix}",
            f"{OWN}coarse_to_fine/{kind}-{what}_{dataset}-{size}.py",
            ("coarse-to-fine",) if kind + what + suffix == "coarse-to-fine8x" else (),
            dataset,
            note=f"{note}; weights are given with --checkpoint",
        )
        for kind, whats, note in _COARSE_TO_FINE
        for what in whats
        for suffix, dataset, size in ([("", "lsp", "128x128")] if what == "narrow" else _CROPS)
    ),
    ZooModel(
        "higherhrnet-mini",
        OWN + "higherhrnet/higherhrnet-mini_coco-256x256.py",
        sees="photo",
        weights="higherhrnet-mini.pth",
        note="bottom-up: a narrow HigherHRNet trained on the synthetic people of this project; weights in the package",
    ),
    *(
        ZooModel(
            f"higherhrnet-{name}",
            f"{OWN}higherhrnet/higherhrnet-{config}.py",
            sees="photo",
            address=f"{_HIGHERHRNET}{file}.pth" if file else "",
            figures=figures,
            note=note,
        )
        for name, config, file, figures, note in (
            ("w32", "w32_coco-512x512", "32_coco_512x512-8ae85183_20200713", (("AP", 0.677), ("AR", 0.723)), _OF_0X),
            (
                "w32-640",
                "w32_coco-640x640",
                "32_coco_640x640-a22fe938_20200712",
                (("AP", 0.686), ("AR", 0.733)),
                _OF_0X,
            ),
            (
                "w48-512",
                "w48_coco-512x512",
                "48_coco_512x512-60fedcbc_20200712",
                (("AP", 0.686), ("AR", 0.731)),
                _OF_0X,
            ),
            ("w48", "w48_coco-640x640", "", (("AP", 0.699),), "bottom-up; the authors' weights: with --checkpoint"),
        )
    ),
    ZooModel(
        "ae-hrnet",
        "body_2d_keypoint/associative_embedding/coco/ae_hrnet-w32_8xb24-300e_coco-512x512.py",
        sees="photo",
        note="bottom-up, by associative embedding",
    ),
    *(
        ZooModel(name, f"body_2d_keypoint/{config}.py", sees="photo", note=note)
        for name, config, note in (
            ("dekr-hrnet-w32", "dekr/coco/dekr_hrnet-w32_8xb10-140e_coco-512x512", "bottom-up, by regression"),
            ("dekr-hrnet-w48", "dekr/coco/dekr_hrnet-w48_8xb10-140e_coco-640x640", "bottom-up, by regression"),
            ("cid-hrnet-w32", "cid/coco/cid_hrnet-w32_8xb20-140e_coco-512x512", _CID),
            *((f"rtmo-{size}", f"rtmo/coco/rtmo-{size}_{batch}-600e_coco-640x640", _RTMO) for size, batch in _RTMOS),
            *(
                (f"yoloxpose-{size}", f"yoloxpose/coco/yoloxpose_{size}_8xb32-300e_coco-640", "one stage")
                for size in "sm"
            ),
        )
    ),
    ZooModel(
        "edpose-res50",
        OWN + "edpose_res50.py",
        sees="photo",
        like="body_2d_keypoint/edpose/coco/edpose_res50_8xb2-50e_coco-800x1333.py",
        note="one stage, with attention",
    ),
    *(
        ZooModel(
            name,
            "keypointrcnn_resnet50_fpn",
            (f"keypointrcnn-{weights}",),
            sees="photo",
            source="torchvision",
            address=f"{_TORCHVISION}-{sha256}.pth",
            figures=(("AP", ap),),
            note=f"torchvision's Keypoint R-CNN, its weights {weights.upper()}",
        )
        for name, weights, sha256, ap in (
            ("keypointrcnn", "coco_v1", "fc266e95", 0.65),
            ("keypointrcnn-legacy", "coco_legacy", "9f466800", 0.611),
        )
    ),
    *(
        ZooModel(
            f"mpii-{name}",
            f"{_TOPDOWN}/mpii/td-hm_{backbone}_8xb64-210e_mpii-256x256.py",
            dataset="mpii",
            note="MPII keypoints: for --data mpii",
        )
        for name, backbone in (("hrnet", "hrnet-w32"), ("res50", "res50"), ("hourglass", "hourglass52"))
    ),
)


def list_models() -> tuple[ZooModel, ...]:
    """Every model that has a name, those that need no download first."""
    return _MODELS


def find_model(name_or_path: str, specification: str | None = None) -> ZooModel:
    """The model of that name, or an anonymous one for an MMPose config, an ONNX file, or what runs elsewhere.

    Args:
        name_or_path: A name or alias of the zoo, the name of a config that MMPose installs (without ``.py``), or the
            path of a config file, which must end in ``.py``, or of an ONNX file, which must end in ``.onnx``; or
            ``command:PROGRAM {photos} {annotations} {out}``, or ``results:DIR``.
        address: Of its weights, where no metafile of MMPose says it.
        figures: Published ones, likewise, by MMPose's names.
        specification: Of an ONNX file: a YAML file, or the name of a ready one.

    Raises:
        OccbenchError: No such model (naming the nearest ones) or no such file, or a specification is none of its.
    """
    if name_or_path.endswith(".onnx"):
        path = Path(name_or_path).expanduser()
        if not os.path.isfile(path):
            raise OccbenchError(f"there is no ONNX file {quoted(name_or_path, 300)}")
        file = {"dataset": "unknown", "sees": "", "source": "onnx", "specification": specification}
        return ZooModel(path.stem, str(path.resolve()), **file)  # type: ignore[arg-type]
    if specification is not None:
        raise OccbenchError(f"--spec describes an ONNX file (--model FILE.onnx), but --model is {name_or_path!r}")
    outside = _outside(name_or_path)
    if outside is not None:
        return outside
    by_name = {name: model for model in _MODELS for name in (model.name, *model.aliases)}
    if name_or_path in by_name:
        return by_name[name_or_path]
    if name_or_path.endswith(".py"):
        path = Path(name_or_path).expanduser()
        if not os.path.isfile(path):  # which, other than Path.is_file, takes any name for an answer
            raise OccbenchError(
                f"there is no config file {quoted(name_or_path, 300)}; give a path, or a name of `occbench ls models`"
            )
        return ZooModel(path.stem, str(path.resolve()), dataset="unknown", sees="")
    installed = installed_config("mmpose", name_or_path)
    if installed is not None:
        return ZooModel(name_or_path, str(installed), dataset="unknown", sees="")
    raise unknown_name("model", name_or_path, by_name)


def _outside(name: str) -> ZooModel | None:
    """What runs elsewhere: a program, or results that are there."""
    source, colon, what = name.partition(":")
    if not colon or source not in OUTSIDE:
        return None
    folder = source == "results"
    if folder:
        what = str(Path(what).expanduser().resolve())
    return ZooModel(Path(what).name if folder else _script(what), what, dataset="unknown", sees="photo", source=source)


def _script(command: str) -> str:
    """What a program is called in tables: the script that its command names, or else its first word."""
    words = command.split() or ["command"]
    scripts = [word for word in words[1:] if Path(word).suffix and os.path.isfile(word)]
    return Path((scripts or words)[0]).stem
