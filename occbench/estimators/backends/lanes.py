"""Batches of crops through a function on a GPU that never waits: the next batches are copied and queued meanwhile.

What costs time there is Python, which starts a thousand kernels per forward pass, and plans and buffers made anew for
every size of batch. So batches come in a few sizes, the last one filled up with black crops whose results are cut off,
and for each size everything from the crop to the few values that are decoded is captured once, as a CUDA graph, and
replayed. On a CPU the same code runs plainly, for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from ...system.errors import OccbenchError

if TYPE_CHECKING:
    pass

T = TypeVar("T")

Compute = Callable[[torch.Tensor], torch.Tensor]
"""Crops (B, h, w, 3), uint8 -> (B, ...), both on the device. It waits for nothing, and no crop decides for another."""

SHARES = (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(1))

AHEAD = 4
"""Batches that are best under way at a time: enough to write a finished cell to disk in between."""


def sizes_of(batch_size: int) -> tuple[int, ...]:
    """The sizes that batches of at most ``batch_size`` are filled up to, in rising order."""
    return tuple(sorted({ceil(batch_size * share) for share in SHARES}))


class Halving:
    """Splits batches, once the GPU's memory has not sufficed for one.

    Attributes:
        count: How often that was.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.count = 0
        self._most: int | None = None
        self._say = say

    def parts(self, run: Callable[[slice], T], count: int) -> list[T]:
        """``run`` of all ``count`` crops, or of stretches of them.

        Raises:
            OccbenchError: The GPU's memory does not suffice for one crop.
        """
        while True:
            step = min(self._most or count, count)
            try:
                return [run(slice(i, min(i + step, count))) for i in range(0, count, step)]
            except torch.cuda.OutOfMemoryError as error:
                reason = str(error).splitlines()[0]
            # Out here nothing holds the tensors of the failed attempt any more.
            if step == 1:
                raise OccbenchError(f"the GPU's memory does not suffice for a single crop ({reason})")
            self._most = step // 2
            self.count += 1
            self._say(f"the GPU's memory does not suffice for {step} crops at a time; going on with {self._most}")
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()


@dataclass(eq=False)
class _Program:
    """A function for batches of one size.

    Attributes:
        inputs: Where it reads the crops.
        run: Computes; what it returns is good until the next call.
    """

    inputs: torch.Tensor
    run: Callable[[], torch.Tensor]


class Lane:
    """A function of crops on a device, fed with batches.

    Args:
        compute: The function.
        device: ``cuda`` or, for tests, ``cpu``.
        batch_size: Most crops of a batch.
        graph: Whether to capture it.
        halving: What to do when memory runs out.
        say: Told what falls back.
    """

    def __init__(
        self,
        compute: Compute,
        device: torch.device,
        batch_size: int,
        graph: bool,
        halving: Halving,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.sizes = sizes_of(batch_size)
        self._compute, self._device, self._graph, self._halving, self._say = compute, device, graph, halving, say
        self._programs: dict[int, _Program] = {}
        self._pool: Any = None
        on_gpu = device.type == "cuda"
        self._copying = torch.cuda.Stream(device) if on_gpu else None
        self._computing = torch.cuda.Stream(device) if on_gpu else None

    @property
    def captured(self) -> bool:
        """Whether what ran so far ran as CUDA graphs."""
        return self._graph and bool(self._programs)

    def start(self, images: np.ndarray) -> Callable[[], np.ndarray]:
        """Queue a batch.

        Args:
            images: Shape (B, h, w, 3), uint8; must not change until the result was asked for.

        Returns:
            Waits for the result, shape (B, ...). To be asked for in the order of the batches.
        """
        if len(images) > self.sizes[-1]:
            raise ValueError(f"a batch of {len(images)}, where {self.sizes[-1]} are the most")
        with torch.inference_mode():
            parts = self._halving.parts(lambda part: self._start(images[part]), len(images))
        return lambda: np.concatenate([part() for part in parts]) if len(parts) > 1 else parts[0]()

    def _start(self, images: np.ndarray) -> Callable[[], np.ndarray]:
        count = len(images)
        size = next(size for size in self.sizes if size >= count)
        with _on(self._copying):
            staged = torch.from_numpy(images).to(self._device, non_blocking=True)
        if self._copying is not None and self._computing is not None:
            self._computing.wait_stream(self._copying)
            staged.record_stream(self._computing)
        with _on(self._computing):
            program = self._programs.get(size) or self._made(size, staged)
            program.inputs[:count].copy_(staged)
            program.inputs[count:].zero_()
            found = program.run()[:count]
            if self._computing is None:
                return found.clone().numpy
            table = found.to("cpu", non_blocking=True)
            done = torch.cuda.Event()
            done.record(self._computing)

        def result(kept: np.ndarray = images) -> np.ndarray:  # the copy reads from them until it is done
            done.synchronize()
            values: np.ndarray = table.numpy()
            return values

        return result

    def _made(self, size: int, crops: torch.Tensor) -> _Program:
        """The program for a size; on the stream that computes."""
        inputs = crops.new_zeros(size, *crops.shape[1:])
        inputs[: len(crops)].copy_(crops)
        run = self._captured(inputs) if self._graph else lambda: self._compute(inputs)
        self._programs[size] = _Program(inputs, run)
        return self._programs[size]

    def _captured(self, inputs: torch.Tensor) -> Callable[[], torch.Tensor]:
        """The function as a CUDA graph, if that gives the same bits; else as it is."""
        expected = self._compute(inputs)  # also makes what is made at the first call
        if self._device.type != "cuda":
            return lambda: self._compute(inputs)
        try:
            graph = torch.cuda.CUDAGraph()
            torch.cuda.synchronize(self._device)
            # Other threads go on allocating pinned memory, which a capture of every thread's calls would not allow.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._computing, capture_error_mode="thread_local"):
                found = self._compute(inputs)
            self._pool = graph.pool()
            graph.replay()
            if not torch.equal(found, expected):
                raise RuntimeError("the graph computes something else")
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # a model's Python can do anything
            self._graph = False
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            self._say(f"this model runs without CUDA graphs, which is slower ({reason})")
            torch.cuda.synchronize(self._device)
            return lambda: self._compute(inputs)

        def replay() -> torch.Tensor:
            graph.replay()
            return found

        return replay


def _on(stream: Any) -> AbstractContextManager[Any]:
    return nullcontext() if stream is None else torch.cuda.stream(stream)


def pinned_stack(images: Sequence[np.ndarray]) -> np.ndarray:
    """``np.stack(images)`` in memory that a GPU copies from by itself; the array owns it."""
    buffer = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=True)
    stacked: np.ndarray = np.stack(images, out=buffer.numpy())
    return stacked
