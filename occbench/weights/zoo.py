"""The models by name: MMPose config, weights, published figures.

What MMPose says about its models (address of the weights, AP, AR) is read from the metafiles that it installs beside
its configs, when it is asked for; nothing of it is repeated here. Importing this module imports neither torch nor
MMPose.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from ..system.errors import OccbenchError, quoted, unknown_name
from ..system.openmmlab import installed_config, mmpose_configs, without
from .metafiles import metafile_entry

if TYPE_CHECKING:
    from ..attacks import Skeleton

OWN = "occbench:"  # prefix of a config that lies in this package's configs/
_TOPDOWN = "body_2d_keypoint/topdown_heatmap"
_REGRESSION = "body_2d_keypoint/topdown_regression"


@dataclass(frozen=True)
class ZooModel:
    """A pose model that can be named on the command line.

    Attributes:
        name: The name, also of result rows.
        config: A path inside MMPose's installed configs, ``"occbench:FILE"`` for a config of this package, or the
            path of a user's own config.
        aliases: Other names for it.
        dataset: Whose keypoints it predicts: ``"coco"``, ``"mpii"``, or ``"unknown"`` for a user's own config.
        sees: ``"crop"``: one person's crop at a time (top-down); ``"photo"``: whole photos (bottom-up, one-stage, ...);
            ``""``: its config says it (:func:`occbench.estimators.make.what_it_sees`).
        source: What makes an estimator of it: a key of :data:`occbench.estimators.make.MAKERS`.
        weights: File name of weights that ship in this package, or empty.
        like: For a config of this package that stands for one of MMPose's: that one's path, whose metafile speaks.
        note: What a user should know before choosing it.
        address: Of its weights, where no metafile of MMPose says it.
        figures: Published ones, likewise, by MMPose's names.
        specification: Of an ONNX file, which is the ``config``: a YAML file, or the name of a ready one; None: none.
        needs: Packages besides MMPose that its config takes parts from.
    """

    name: str
    config: str
    aliases: tuple[str, ...] = ()
    dataset: str = "coco"
    sees: Literal["crop", "photo", ""] = "crop"
    source: str = "mmpose"
    weights: str = ""
    like: str = ""
    note: str = ""
    address: str = ""
    figures: tuple[tuple[str, float], ...] = ()
    specification: str | None = None
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """Why it cannot be built here, and how to mend that; empty where nothing is missing."""
        return next((without(package) for package in self.needs if importlib.util.find_spec(package) is None), "")

    @property
    def config_path(self) -> Path:
        """Where the config lies; of what has none, what it is called with.

        Raises:
            OccbenchError: MMPose is not installed, or is installed without this config.
        """
        if self.source in _WITHOUT_CONFIG:
            return Path(self.config)
        if self.config.startswith(OWN):
            path = Path(str(importlib.resources.files("occbench.configs"))) / self.config.removeprefix(OWN)
        elif self.dataset == "unknown":
            path = Path(self.config)
        else:
            path = mmpose_configs() / self.config
        if not path.is_file():
            raise OccbenchError(
                f"the config of model {self.name!r} is missing: {path}; install occbench or MMPose again"
            )
        return path

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Width and height of the input in pixels, as the config's name tells them (height first), or None."""
        stem = Path(self.like or self.config).stem
        sizes = re.findall(r"(\d{2,4})x(\d{2,4})(?!\d)", stem) or [
            (side, side) for side in re.findall(r"-(\d{3})$", stem)
        ]
        return (int(sizes[-1][1]), int(sizes[-1][0])) if sizes else None

    @property
    def published(self) -> Mapping[str, float]:
        """Figures of the metafile by its own names (``AP``, ``AR``; ``Mean``, i.e. PCKh, for MPII), or nothing."""
        if self.figures:
            return MappingProxyType(dict(self.figures))
        results = self._metafile_entry().get("Results") or [{}]
        metrics = results[0].get("Metrics") or {}
        return MappingProxyType({str(k): float(v) for k, v in metrics.items() if isinstance(v, (int, float))})

    @property
    def checkpoint(self) -> str | None:
        """The weights: a file of this package, or the address that MMPose's metafile gives. None: there are none."""
        if self.source == "onnx":
            return self.config
        if self.address:
            return self.address
        if self.weights:
            return str(Path(str(importlib.resources.files("occbench"))) / "assets" / self.weights)
        address = self._metafile_entry().get("Weights")
        return str(address) if address else None

    def require_keypoints_of(self, skeleton: Skeleton) -> None:
        """Refuse data with other keypoints, before any weights are fetched; their parts may be any.

        Args:
            skeleton: The data's.

        Raises:
            OccbenchError: The model is known to predict other keypoints.
        """
        from ..attacks import SKELETONS

        own = SKELETONS.get(self.dataset)
        if own is not None and own.keypoints != skeleton.keypoints:
            raise OccbenchError(
                f"model {self.name!r} predicts the keypoints of {self.dataset.upper()}, but the data has those of "
                f"{skeleton.name.upper()}; choose a model or data that go together (`occbench ls models`)"
            )

    @property
    def has_weights(self) -> bool:
        """Whether it is loaded from a file of weights of its own."""
        return self.source not in _OUTSIDE

    def _metafile_entry(self) -> Mapping[str, Any]:
        if self.like:
            return metafile_entry(mmpose_configs() / self.like)
        return {} if self.config.startswith(OWN) or self.source != "mmpose" else metafile_entry(self.config_path)


_OUTSIDE = ("command", "results")
_WITHOUT_CONFIG = (*_OUTSIDE, "torchvision")
_TORCHVISION = "https://download.pytorch.org/models/keypointrcnn_resnet50_fpn_coco"

_RTMOS = (("s", "8xb32"), ("m", "16xb16"), ("l", "16xb16"))
_RTMO = "one stage; MMPose's metafile says CrowdPose, but the figures are of COCO"
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
    if not colon or source not in _OUTSIDE:
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
