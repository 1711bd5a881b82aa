"""torch, set up to be fast: channels last, traced and with batch norms folded on a CPU, no object per crop."""

from __future__ import annotations

import copy
import ctypes
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...system.errors import OccbenchError
from .checking import TOLERANCE, difference
from .network import Forward, as_raw, preprocess

if TYPE_CHECKING:
    from . import Raw

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TorchBackend:
    """A copy of the estimator; see :class:`occbench.estimators.backends.Backend`.

    Args:
        estimator: In evaluation mode, on ``device``.
        precision: Other than ``fp32``: by autocast, as MMEngine does it.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
        batch: Crops, to trace with.
        reference: MMPose's output for them.
        say: Told what falls back.

    Raises:
        OccbenchError: The GPU does not have this precision.
    """

    largest_difference = float("nan")

    def __init__(
        self,
        estimator: Any,
        precision: str,
        device: str,
        batch: np.ndarray,
        reference: Raw,
        say: Callable[[str], None],
    ) -> None:
        self.halvings = 0
        self._most: int | None = None
        self._precision = precision
        self._device = torch.device(device)
        self._say = say
        self._preprocessor = estimator.data_preprocessor
        self._network: Callable[[torch.Tensor], Raw] = Forward(
            copy.deepcopy(estimator).to(memory_format=torch.channels_last)
        ).eval()
        self._graph = "eager"
        if self._device.type == "cpu":
            # Not on a GPU: there, torch fuses what was traced after the first calls, and the bits change.
            keep_freed_memory()
            self._trace(self._inputs(batch), reference)
        elif precision == "bf16" and not torch.cuda.is_bf16_supported():
            raise OccbenchError(f"the GPU {self._gpu!r} does not have bf16; use --precision fp32 or fp16")

    def __call__(self, images: np.ndarray, flip: bool) -> tuple[Raw, Raw | None]:
        """See :class:`occbench.estimators.backends.Backend`.

        Raises:
            OccbenchError: The GPU's memory does not suffice for one crop.
        """
        while True:
            step = min(self._most or len(images), len(images))
            try:
                parts = [self._run(images[i : i + step], flip) for i in range(0, len(images), step)]
            except torch.cuda.OutOfMemoryError as error:
                reason = str(error).splitlines()[0]
            else:
                return _joined([raw for raw, _ in parts]), _joined([raw for _, raw in parts if raw is not None]) or None
            # Out here nothing holds the tensors of the failed attempt any more.
            if step == 1:
                raise OccbenchError(f"the GPU's memory does not suffice for a single crop ({reason})")
            self._most = step // 2
            self.halvings += 1
            self._say(f"the GPU's memory does not suffice for {step} crops at a time; going on with {self._most}")
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()

    def describe(self) -> dict[str, Any]:
        """See :class:`occbench.estimators.backends.Backend`."""
        where: dict[str, Any] = {"threads": torch.get_num_threads()}
        if self._device.type == "cuda":
            where = {"gpu": self._gpu}
        return {
            "name": "torch",
            "version": torch.__version__,
            "precision": self._precision,
            "device": self._device.type,
            **where,
            "memory_format": "channels_last",
            "graph": self._graph,
            "largest_difference": float(f"{self.largest_difference:.2g}"),
        }

    @property
    def _gpu(self) -> str:
        return torch.cuda.get_device_name(self._device)

    def _run(self, images: np.ndarray, flip: bool) -> tuple[Raw, Raw | None]:
        inputs = self._inputs(images)
        return self._forward(inputs), self._forward(inputs.flip(-1)) if flip else None

    def _inputs(self, images: np.ndarray) -> torch.Tensor:
        """Shape (B, 3, h, w), float32, channels last, on the device."""
        crops = torch.from_numpy(images)
        if self._device.type == "cuda":
            crops = crops.pin_memory().to(self._device, non_blocking=True)
        with torch.inference_mode():
            return preprocess(self._preprocessor, crops).contiguous(memory_format=torch.channels_last)

    def _forward(self, inputs: torch.Tensor) -> Raw:
        with torch.inference_mode(), self._autocast(), _as_it_is():
            return as_raw(self._network(inputs))

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._precision == "fp32":
            return nullcontext()
        # Without the cache, which would let a traced graph refer to weights that are gone.
        return torch.autocast(self._device.type, _DTYPES[self._precision], cache_enabled=False)

    def _trace(self, inputs: torch.Tensor, reference: Raw) -> None:
        """Take a traced graph with folded batch norms if it gives the reference, also for another batch size."""
        try:
            traced = self._traced(inputs[:2])
            with torch.inference_mode(), _as_it_is():
                if difference(traced(inputs), reference) > TOLERANCE:
                    raise RuntimeError("the traced graph computes something else")
            if self._precision != "fp32":
                with self._autocast():
                    traced = self._traced(inputs[:2])
        except Exception as error:  # a model's Python can do anything, and torch may lack the tracer one day
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            self._say(f"this model runs untraced, which is slower ({reason})")
            return
        self._network, self._graph = traced, "traced"

    def _traced(self, inputs: torch.Tensor) -> Callable[[torch.Tensor], Raw]:
        with torch.inference_mode(), native_channel_shuffle(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they are about is found by the comparison
            graph: Callable[[torch.Tensor], Raw] = torch.jit.freeze(
                torch.jit.trace(self._network, inputs, check_trace=False)
            )
        return graph


def _as_it_is() -> AbstractContextManager[None]:
    """Run traced graphs unchanged: torch would optimise them anew for each size of batch that it meets."""
    context: AbstractContextManager[None] = torch.jit.optimized_execution(False)
    return context


def _joined(parts: list[Raw]) -> Raw:
    """Outputs for parts of a batch, as one."""
    return parts[0] if len(parts) == 1 else tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))


def be_exact() -> None:
    """Make GPUs give the same bits each time, and fp32 be fp32 (by default their convolutions round it to 10 bits)."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


@contextmanager
def native_channel_shuffle() -> Iterator[None]:
    """Have MMPose's backbones use torch's ``channel_shuffle`` while they are traced.

    Theirs gives the same values but leaves channels last, so that every layer after it copies its input: that is half
    of the time of Lite-HRNet and PP-TinyPose.
    """
    from mmpose.models.backbones import litehrnet, shufflenet_v1, shufflenet_v2

    modules = (litehrnet, shufflenet_v1, shufflenet_v2)
    own = [module.channel_shuffle for module in modules]
    try:
        for module in modules:
            module.channel_shuffle = torch.channel_shuffle
        yield
    finally:
        for module, function in zip(modules, own, strict=True):
            module.channel_shuffle = function


def keep_freed_memory() -> None:
    """Have the C library keep what is freed, for this process.

    By default glibc gives large blocks back to the system at once, and each layer's output is mapped and zeroed anew:
    10 to 25 % of a forward pass. Elsewhere this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(-3, 2**30)  # M_MMAP_THRESHOLD: larger blocks are mapped
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: more than this is given back
        mallopt(-8, 1)  # M_ARENA_MAX: other arenas than the first hold no large blocks
