"""A pose model: an MMPose config, its weights, and prediction of crops on one of the backends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..attacks import Skeleton
from ..system.compat import setup_mmpose
from ..system.download import sha256
from ..system.errors import OccbenchError
from ..weights.trust import check_config
from .batch_decoder import Decoder
from .building import build
from .config import hash_of_config, read_config
from .crops import Crop, CropPipeline
from .decoding import find_decoder
from .protocol import Poses, Sees, Visibility
from .scales import averaged, rescaled
from .visibility import predicts_visibility

if TYPE_CHECKING:
    from .backends import Backend
    from .backends.lanes import Lane
    from .backends.tuning import Choice


class PoseModel:
    """A top-down pose estimator of MMPose, ready to predict.

    Args:
        config_file: An MMPose config.
        checkpoint: Its weights; they must fit exactly.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``...
        flip: Whether to average with the mirrored crop; None for what the config says.
        trust: Unpickle the checkpoint even where that can run code.
        trust_config: Let the config run code from elsewhere.
        scales: Of an image pyramid (see :mod:`.scales`); empty for scale 1 alone.

    Attributes:
        choice: How it runs on a GPU, as :meth:`use` was told.
        meta: What the checkpoint says about itself.
        from_elsewhere: What of the config's code is from elsewhere, and was trusted.

    Raises:
        OccbenchError: The config or the weights are not what they should be.
    """

    sees: ClassVar[Sees] = "crop"

    def __init__(
        self,
        config_file: Path,
        checkpoint: Path,
        device: str = "cpu",
        flip: bool | None = None,
        trust: bool = False,
        trust_config: bool = False,
        scales: Sequence[float] = (),
    ) -> None:
        setup_mmpose()
        self.from_elsewhere = check_config(config_file, trust_config)
        self.config = read_config(config_file)
        if flip is not None:
            self.config.model.setdefault("test_cfg", {})["flip_test"] = flip
        self.crops = CropPipeline(self.config)
        self._model, self.meta = build(self.config, config_file, checkpoint, device, trust)
        model = self._model
        if hasattr(model, "mirror_by"):  # its flip test is inside of the network
            model.mirror_by(self.crops.flip_indices)
        self._checkpoint = checkpoint
        self._device = device
        codec = getattr(model.head, "decoder", None)
        self._decoder: Decoder | None = None
        if tuple(getattr(codec, "input_size", ())) == self.crops.input_size:  # else only MMPose knows what is meant
            self._decoder = find_decoder(model.head, model.test_cfg, self.crops.flip_indices)
        self._backend: Backend | None = None
        self._lane: Lane | None = None
        self.choice: Choice | None = None
        self.scales = tuple(scales)
        if self.scales and (self._decoder is None or self._decoder.factor is None):
            raise OccbenchError(
                f"--scales averages heatmaps, but {type(model.head).__name__} of {str(config_file)!r} gives none "
                "that are decoded here; leave it out"
            )

    def choose(
        self,
        backend: str,
        precision: str,
        sample: Sequence[Crop],
        batch_size: int,
        tune: str = "quick",
        say: Callable[[str], None] = lambda line: None,
    ) -> Choice | None:
        """How the model is to run on its GPU, for :meth:`use`; None where there is nothing to choose.

        Args:
            backend: As of :meth:`use`, like all but the next.
            tune: ``off``: by rule; ``quick``: by timing a batch where that was not done before.

        Raises:
            OccbenchError: The combination does not work.
        """
        if backend != "torch" or not self._device.startswith("cuda") or self._decoder is None:
            return None
        from .backends import choose

        return choose(
            self._model,
            precision=precision,
            device=self._device,
            config_sha256=self.config_sha256,
            sample=np.stack([crop.image for crop in sample]),
            batch_size=batch_size,
            flip=self._decoder.flips,
            tune=tune,
            say=say,
        )

    def use(
        self,
        backend: str,
        precision: str = "fp32",
        sample: Sequence[Crop] = (),
        say: Callable[[str], None] = lambda line: None,
        choice: Choice | None = None,
        batch_size: int = 128,
    ) -> None:
        """Choose what computes the forward passes; until then, and for heads that only MMPose decodes, MMPose does.

        Args:
            backend: ``torch``, ``openvino`` or ``onnxruntime``.
            precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
            sample: A real batch: the backend is compared on it with torch in fp32 before it is used.
            say: Told what takes long, and what falls back.
            choice: How it runs on a GPU; None: by a rule.
            batch_size: On a GPU, most crops of a batch.

        Raises:
            OccbenchError: The backend is not installed, cannot run this model, or computes something else.
        """
        self._lane, self.choice = None, choice
        if self._decoder is None:
            head = type(self._model.head).__name__
            if (backend, precision) != ("torch", "fp32"):
                raise OccbenchError(
                    f"predictions of {head} with this codec are decoded by MMPose itself, "
                    "which runs on --backend torch in fp32 only"
                )
            say(f"{head} with this codec is decoded by MMPose itself, person by person")
            return
        from .backends import make_backend

        self._backend = make_backend(
            backend,
            self._model,
            precision=precision,
            device=self._device,
            weights_sha256=self.weights_sha256,
            config_sha256=self.config_sha256,
            sample=np.stack([crop.image for crop in sample]),
            say=say,
            choice=choice,
        )
        if self._device.startswith("cuda") and not self.scales:
            self._lane = self._make_lane(self._backend, self._decoder, batch_size, say)

    def _make_lane(
        self, backend: Backend, decoder: Decoder, batch_size: int, say: Callable[[str], None]
    ) -> Lane | None:
        """From crops to what is decoded, on the GPU."""
        import torch

        from .backends.lanes import Lane
        from .backends.torch_backend import TorchBackend

        if not isinstance(backend, TorchBackend):
            return None
        flip = decoder.flips

        def compute(crops: torch.Tensor) -> torch.Tensor:
            return decoder.found(*backend.forward(crops, flip))

        return Lane(compute, torch.device(self._device), batch_size, backend.choice.graph, backend.halving, say)

    @cached_property
    def weights_sha256(self) -> str:
        """Of the checkpoint file."""
        return sha256(self._checkpoint)

    @cached_property
    def config_sha256(self) -> str:
        """Of the config's content, with all that it inherits and with the keypoints' description beside it."""
        content = hash_of_config(self.config)
        described = self.crops.metainfo_file
        return content if described is None else hashlib.sha256((content + sha256(described)).encode()).hexdigest()

    def about_backend(self) -> dict[str, Any]:
        """What computes, for the manifest."""
        if self._backend is not None:
            lane = {} if self._lane is None else {"batches": list(self._lane.sizes), "cuda_graphs": self._lane.captured}
            return {**self._backend.describe(), **lane, "decoding": "batched"}
        import torch

        plain = {"name": "torch", "version": torch.__version__, "precision": "fp32", "device": self._device}
        return {**plain, "threads": torch.get_num_threads(), "decoding": "MMPose's test_step"}

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height of a crop, px."""
        return self.crops.input_size

    def require(self, skeleton: Skeleton) -> None:
        """Refuse a data set of other keypoints: see :meth:`~.crops.CropPipeline.require`."""
        self.crops.require(skeleton)

    @property
    def keypoints(self) -> int | None:
        """How many keypoints the config says it predicts; None where the head does not say."""
        kept = (self.config.model.get("test_cfg") or {}).get("output_keypoint_indices")
        if kept is not None:
            return len(kept)
        head = self.config.model.get("head", {})
        count = head.get("out_channels") or head.get("num_joints")
        return count if isinstance(count, int) else None

    @property
    def earlier(self) -> int:
        """How many stages of a cascade come before the last; 0 for other models."""
        return 0 if self._decoder is None else self._decoder.earlier

    @property
    def visibility(self) -> Visibility:
        """``beside`` where MMPose's own decoding gives the keypoints a visibility that is not their score."""
        return "beside" if self._decoder is None and predicts_visibility(self._model.head) else ""

    @property
    def window(self) -> int | None:
        """See :func:`~.protocol.window_of`."""
        return getattr(self._model.head, "window", None)

    @property
    def flip(self) -> bool:
        """Whether the flip test is on."""
        return bool(self._model.test_cfg.get("flip_test", False))

    @property
    def halvings(self) -> int:
        """How often a batch had to be halved because the GPU's memory ran out."""
        return 0 if self._backend is None else self._backend.halvings

    @property
    def ahead(self) -> int:
        """How many batches are best under way at a time, besides the one that is waited for."""
        if self._lane is None:
            return 0
        from .backends.lanes import AHEAD

        return AHEAD

    def stack(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Crops (h, w, 3) as one array, where the device can take them from; in any thread."""
        if self._lane is None:
            return np.stack(images)
        from .backends.lanes import pinned_stack

        return pinned_stack(images)

    def start(self, images: np.ndarray, crops: Sequence[Crop]) -> Callable[[], Poses]:
        """:meth:`predict`, but a GPU only begins with it.

        Args:
            images: As of :meth:`predict`; must not change until the result was asked for.
            crops: Whose they are.

        Returns:
            Waits for the result; to be asked for in the order of the batches.
        """
        if self._lane is None:
            found = self.predict(images, crops)
            return lambda: found
        table = self._lane.start(images)

        def result() -> Poses:
            assert self._decoder is not None  # or there was no lane
            return self._placed(*self._decoder.finished(table()), crops)

        return result

    def predict(self, images: np.ndarray, crops: Sequence[Crop]) -> Poses:
        """Estimate one pose per crop.

        Args:
            images: What the network sees, shape (B, h, w, 3), uint8, BGR: the crops' images, attacked or not.
            crops: Whose they are.

        Returns:
            Keypoints, their scores, and what else the network says.
        """
        if self._lane is not None:
            return self.start(images, crops)()
        if self._backend is None or self._decoder is None:
            if self.scales:
                raise ValueError("several scales need a backend: call use() first")
            return self._predict_by_mmpose(images, crops)
        if self.scales:
            found = self._predict_pyramid(images, self._backend, self._decoder)
        else:
            found = self._decoder(*self._backend(images, self._decoder.flips))
        return self._placed(*found, crops)

    def _placed(self, keypoints: np.ndarray, scores: np.ndarray, crops: Sequence[Crop]) -> Poses:
        """Keypoints from crop px to image px; those of a cascade's stages, (B, K, 2 S), taken apart."""
        size = np.array(self.crops.input_size, dtype=np.float64)
        center = np.stack([crop.center for crop in crops])[:, None, None]
        scale = np.stack([crop.scale for crop in crops])[:, None, None]
        stages = keypoints.reshape(*keypoints.shape[:2], -1, 2).swapaxes(1, 2)
        placed = (stages / size * scale + center - 0.5 * scale).astype(np.float32)
        return Poses(placed[:, -1], scores, placed[:, :-1] if self.earlier else None)

    def _predict_pyramid(self, images: np.ndarray, backend: Backend, decoder: Decoder) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints in crop px and scores from the heatmaps of all scales."""
        import torch

        def maps(scale: float) -> torch.Tensor:
            return decoder.merged(*backend(rescaled(images, scale), decoder.flips))[-1]

        assert decoder.factor is not None  # checked at the start
        with torch.inference_mode():
            mean = averaged(((s, maps(s)) for s in self.scales), decoder.factor, self.crops.input_size)
            return decoder.decoded((mean,))

    def _predict_by_mmpose(self, images: np.ndarray, crops: Sequence[Crop]) -> Poses:
        """:meth:`predict` by MMPose's own test step: for every head there is, a Python object per person."""
        import torch
        from mmcv.transforms.formatting import to_tensor

        inputs = [to_tensor(np.ascontiguousarray(image.transpose(2, 0, 1))) for image in images]
        with torch.inference_mode():
            results = self._model.test_step({"inputs": inputs, "data_samples": [crop.sample for crop in crops]})
        found = [result.pred_instances for result in results]
        keypoints = np.concatenate([np.asarray(p.keypoints, dtype=np.float32)[..., :2] for p in found])
        scores = np.concatenate([np.asarray(p.keypoint_scores, dtype=np.float32) for p in found])
        if not self.visibility:
            return Poses(keypoints, scores)
        visible = [np.asarray(p.keypoints_visible, dtype=np.float32).reshape(-1, scores.shape[1]) for p in found]
        return Poses(keypoints, scores, visibility=np.concatenate(visible))


def pick_device(name: str, local: int = 0) -> str:
    """The device of a name.

    Args:
        name: ``cpu``, ``cuda`` (this process' GPU), ``cuda:1``, ...; ``auto``: a GPU where there is one, else the CPU.
        local: This process' number on its machine.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return f"cuda:{local % max(1, torch.cuda.device_count())}" if name == "cuda" else name
