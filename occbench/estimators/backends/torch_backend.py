"""torch, set up to be fast: batch norms folded, traced on a CPU, no object per crop."""

from __future__ import annotations

import copy
import ctypes
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ...system.errors import OccbenchError
from .checking import TOLERANCE, difference
from .folding import as_products, cast_weights, fold_norms, is_channels_last
from .lanes import Halving
from .network import Forward, as_raw, normalised, preprocess
from .tuning import Choice, usual

if TYPE_CHECKING:
    from . import Raw

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TorchBackend:
    """A copy of the estimator; see :class:`occbench.estimators.backends.Backend`.

    Args:
        estimator: In evaluation mode, on ``device``.
        precision: ``bf16`` and ``fp16`` by autocast, as MMEngine does it; ``tf32`` by what the GPU multiplies.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
        batch: Crops, to trace with.
        reference: MMPose's output for them.
        say: Told what falls back.
        choice: How it runs on a GPU; by default as :func:`.tuning.usual` says.

    Attributes:
        choice: As given.
        halving: What happens when a GPU's memory runs out.

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
        choice: Choice | None = None,
    ) -> None:
        self.choice = choice or usual(estimator, precision)
        self.halving = Halving(say)
        self._precision = precision
        self._device = torch.device(device)
        self._say = say
        self._preprocessor = estimator.data_preprocessor
        on_cpu = self._device.type == "cpu"
        self._layout = torch.channels_last if on_cpu or self.choice.channels_last else torch.contiguous_format
        self._graph = "eager"
        if on_cpu:
            # Not on a GPU: there, torch fuses what was traced after the first calls, and the bits change.
            self._network: Callable[[torch.Tensor], Raw] = self._copy(estimator)
            keep_freed_memory()
            self._trace(self._inputs(torch.from_numpy(batch)), reference)
            return
        if precision == "bf16" and not torch.cuda.is_bf16_supported():
            raise OccbenchError(f"the GPU {self._gpu!r} does not have bf16; use --precision fp32 or fp16")
        self._network = self._folded(estimator, torch.from_numpy(batch).to(self._device), reference)

    @property
    def halvings(self) -> int:
        """How often a batch had to be halved because the GPU's memory ran out."""
        return self.halving.count

    def __call__(self, images: np.ndarray, flip: bool) -> tuple[Raw, Raw | None]:
        """See :class:`occbench.estimators.backends.Backend`.

        Raises:
            OccbenchError: The GPU's memory does not suffice for one crop.
        """
        parts = self.halving.parts(lambda part: self._run(images[part], flip), len(images))
        return _joined([raw for raw, _ in parts]), _joined([raw for _, raw in parts if raw is not None]) or None

    def forward(self, crops: torch.Tensor, flip: bool) -> tuple[Raw, Raw | None]:
        """A call for crops that are on the device; it waits for nothing, so that it can be a part of a CUDA graph."""
        inputs = self._inputs(crops)
        if not flip:
            return self._forward(inputs), None
        mirrored = inputs.flip(-1)
        if self._device.type == "cpu" or not self.choice.doubled:
            return self._forward(inputs), self._forward(mirrored)
        both = self._forward(torch.cat([inputs, mirrored]).contiguous(memory_format=self._layout))
        count = len(crops)
        return tuple(tensor[:count] for tensor in both), tuple(tensor[count:] for tensor in both)

    def describe(self) -> dict[str, Any]:
        """See :class:`occbench.estimators.backends.Backend`."""
        where: dict[str, Any] = {"threads": torch.get_num_threads()}
        if self._device.type == "cuda":
            where = {"gpu": self._gpu, "mirrored": "same batch" if self.choice.doubled else "own batch"}
        return {
            "name": "torch",
            "version": torch.__version__,
            "precision": self._precision,
            "device": self._device.type,
            **where,
            "memory_format": "channels_last" if self._layout is torch.channels_last else "contiguous",
            "graph": self._graph,
            "largest_difference": float(f"{self.largest_difference:.2g}"),
        }

    @property
    def _gpu(self) -> str:
        return torch.cuda.get_device_name(self._device)

    def _run(self, images: np.ndarray, flip: bool) -> tuple[Raw, Raw | None]:
        return self.forward(torch.from_numpy(images).to(self._device), flip)

    def _inputs(self, crops: torch.Tensor) -> torch.Tensor:
        """Shape (B, 3, h, w), float32, in the layout that was chosen."""
        ready = preprocess if self._device.type == "cpu" else normalised
        with torch.inference_mode():
            return ready(self._preprocessor, crops).contiguous(memory_format=self._layout)

    def _forward(self, inputs: torch.Tensor) -> Raw:
        on_gpu = nullcontext() if self._device.type == "cpu" else suited_to_gpu()
        with torch.inference_mode(), self._autocast(), _as_it_is(), tf32(self._precision == "tf32"), on_gpu:
            return as_raw(self._network(inputs))

    def _copy(self, estimator: Any) -> nn.Module:
        return Forward(copy.deepcopy(estimator).to(memory_format=self._layout)).eval().requires_grad_(False)

    def _folded(self, estimator: Any, crops: torch.Tensor, reference: Raw) -> nn.Module:
        """The network with folded batch norms if that gives the reference, and with weights in the precision."""
        network, inputs = self._copy(estimator), self._inputs(crops)
        try:
            with torch.no_grad():  # weights made in inference mode could not be cast later
                folded = fold_norms(network, lambda: network(inputs))
                products = as_products(network) if self.choice.products else 0
                if difference(as_raw(network(inputs)), reference) > TOLERANCE:
                    raise RuntimeError("made ready for the GPU it computes something else")
            self._graph = f"{folded} batch norms folded" + (f", {products} products" if products else "")
        except Exception as error:  # a model's Python can do anything
            self._say(f"this model runs on the GPU as it is, which is slower ({_reason(error)})")
            network = self._copy(estimator)
        if self._precision in _DTYPES:
            cast_weights(network, _DTYPES[self._precision])
        return network

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._precision not in _DTYPES:
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
            self._say(f"this model runs untraced, which is slower ({_reason(error)})")
            return
        self._network, self._graph = traced, "traced"

    def _traced(self, inputs: torch.Tensor) -> Callable[[torch.Tensor], Raw]:
        with torch.inference_mode(), native_channel_shuffle(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they are about is found by the comparison
            traced = torch.jit.trace(_Whole(self._network).eval(), inputs, check_trace=False)
            graph: Callable[[torch.Tensor], Raw] = torch.jit.freeze(traced)
        return graph


class _Whole(nn.Module):
    """A network as a module without parts: the same graph, with the weights as constants, in a third of the time."""

    def __init__(self, network: Callable[[torch.Tensor], Raw]) -> None:
        super().__init__()
        self.__dict__["network"] = network  # as an attribute it would be a part

    def forward(self, inputs: torch.Tensor) -> Raw:
        return cast("Raw", self.__dict__["network"](inputs))


def _as_it_is() -> AbstractContextManager[None]:
    """Run traced graphs unchanged: torch would optimise them anew for each size of batch that it meets."""
    context: AbstractContextManager[None] = torch.jit.optimized_execution(False)
    return context


def _joined(parts: list[Raw]) -> Raw:
    """Outputs for parts of a batch, as one."""
    return parts[0] if len(parts) == 1 else tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Whether a GPU rounds what it multiplies to TensorFloat-32 (10 bits); else it does as :func:`be_exact` left it."""
    if on:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        if on:
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def be_exact() -> None:
    """Make GPUs give the same bits each time, and fp32 be fp32 (by default their convolutions round it to 10 bits)."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def native_channel_shuffle() -> AbstractContextManager[None]:
    """Have MMPose's backbones use torch's ``channel_shuffle`` while they are traced.

    Theirs gives the same values but leaves channels last, so that every layer after it copies its input: that is half
    of the time of Lite-HRNet and PP-TinyPose.
    """
    return _channel_shuffle(torch.channel_shuffle)


@contextmanager
def suited_to_gpu() -> Iterator[None]:
    """Have a network do in another way what torch is slow at on a GPU; the values are the same."""
    with _channel_shuffle(shuffled), _BilinearByPixel():
        yield


def layout_kept() -> AbstractContextManager[None]:
    """Have MMPose's backbones shuffle channels in the layout of the maps, for training with channels last."""
    return _channel_shuffle(shuffled)


class _BilinearByPixel(TorchFunctionMode):
    """Scales maps with channels last: with channels first, torch's kernel is slow where there are many small ones."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is nn.functional.interpolate and args[0].is_contiguous():
            mode = args[3] if len(args) > 3 else kwargs.get("mode")
            if mode == "bilinear":
                by_pixel = args[0].contiguous(memory_format=torch.channels_last)
                return func(by_pixel, *args[1:], **kwargs).contiguous()
        return func(*args, **kwargs)


def shuffled(maps: torch.Tensor, groups: int) -> torch.Tensor:
    """``torch.channel_shuffle`` that leaves the layout as it is."""
    if not is_channels_last(maps):
        return torch.channel_shuffle(maps, groups)
    return maps.permute(0, 2, 3, 1).unflatten(-1, (groups, -1)).transpose(-1, -2).flatten(-2).permute(0, 3, 1, 2)


@contextmanager
def _channel_shuffle(function: Callable[[torch.Tensor, int], torch.Tensor]) -> Iterator[None]:
    """What MMPose's backbones shuffle channels with."""
    from mmpose.models.backbones import litehrnet, shufflenet_v1, shufflenet_v2

    modules = (litehrnet, shufflenet_v1, shufflenet_v2)
    own = [module.channel_shuffle for module in modules]
    try:
        for module in modules:
            module.channel_shuffle = function
        yield
    finally:
        for module, before in zip(modules, own, strict=True):
            module.channel_shuffle = before


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
