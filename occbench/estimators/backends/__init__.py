"""What computes the forward passes: torch, OpenVINO or ONNX Runtime, compared with MMPose's own before it is used.

torch runs every model. The other two run an export of it to ONNX, made once and kept in the cache (see ``exports``).
A backend gives the raw output of the head; averaging with the mirrored crop and decoding are not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ...system.errors import OccbenchError, unknown_name

if TYPE_CHECKING:
    import numpy as np
    import torch

    from .tuning import Choice

BACKENDS = ("torch", "openvino", "onnxruntime")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
"""``tf32``: in fp32, but factors rounded to 10 bits, which a GPU has units for."""

WORKS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "torch": {"cpu": ("fp32", "bf16"), "cuda": PRECISIONS},
    "openvino": {"cpu": ("fp32", "bf16", "fp16")},
    "onnxruntime": {"cpu": ("fp32",)},
}
"""Precisions by backend and kind of device; OpenVINO has those of them that the processor has."""

Raw: TypeAlias = "tuple[torch.Tensor, ...]"
"""What ``estimator(inputs, None, mode="tensor")`` gives, float32; a lone tensor is a tuple of one."""


class Backend(Protocol):
    """Raw outputs of a batch of crops.

    Attributes:
        largest_difference: To MMPose's forward pass in fp32, on the sample, as a part of each output's range.
    """

    largest_difference: float

    @property
    def halvings(self) -> int:
        """How often the batch had to be halved because the GPU's memory ran out."""

    def __call__(self, images: np.ndarray, flip: bool) -> tuple[Raw, Raw | None]:
        """Run the network.

        Args:
            images: Shape (B, h, w, 3), uint8, BGR: crops, before normalisation.
            flip: Whether the mirrored crops are wanted as well.

        Returns:
            The output for the crops, and for the mirrored crops (None without ``flip``), as the head gives it:
            nothing is mirrored back. On the backend's device.
        """

    def describe(self) -> dict[str, Any]:
        """Name, version, precision, device, threads, ...: what a manifest should say. The same for the same setup."""


def make_backend(
    name: str,
    estimator: Any,
    *,
    precision: str,
    device: str,
    weights_sha256: str,
    config_sha256: str,
    sample: np.ndarray,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    choice: Choice | None = None,
) -> Backend:
    """A backend that runs ``estimator``, checked.

    Args:
        name: One of ``BACKENDS``.
        estimator: A pose estimator of MMPose in evaluation mode, on ``device``. It stays as it is.
        precision: One of ``PRECISIONS``.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
        weights_sha256: Of the weights that are in the estimator; with the next, what an export is known by.
        config_sha256: Of the config.
        sample: Shape (n, h, w, 3), uint8, BGR: real crops, of the size of all others.
        cache: Where exports are kept; None: ``exports`` in the cache folder.
        say: Told what takes long, and what falls back.
        choice: How torch runs on a GPU; None: by a rule.

    Raises:
        OccbenchError: The combination does not work, a package is missing, the model cannot be exported, or what the
            backend computes in fp32 is not what MMPose computes.
    """
    _check_combination(name, precision, device)
    from .checking import check, checked_batch, reference_output
    from .torch_backend import TorchBackend, be_exact

    if device.startswith("cuda"):
        be_exact()
    batch = checked_batch(sample)
    backend: Backend
    if name == "torch":
        reference = reference_output(estimator, batch)
        backend = TorchBackend(estimator, precision, device, batch, reference, say, choice)
    else:
        from concurrent.futures import ThreadPoolExecutor

        from . import runtimes
        from .exports import exported

        model = exported(name, estimator, batch.shape[1:3], weights_sha256, config_sha256, cache, say)
        load = runtimes.openvino if name == "openvino" else runtimes.onnxruntime
        with ThreadPoolExecutor(1) as beside:  # both take a second at the start of a run
            referring = beside.submit(reference_output, estimator, batch)
            backend = load(model, precision)
            reference = referring.result()
        if precision != "fp32":  # a graph that is a little wrong would hide in the rounding
            check(name, "fp32", load(model, "fp32"), batch, reference)
    backend.largest_difference = check(name, precision, backend, batch, reference)
    return backend


def choose(
    estimator: Any,
    *,
    precision: str,
    device: str,
    config_sha256: str,
    sample: np.ndarray,
    batch_size: int,
    flip: bool,
    tune: str,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Choice:
    """How torch is to run ``estimator`` on a GPU.

    Args:
        estimator: As of :func:`make_backend`, whose other arguments are meant, too.
        batch_size: Most crops of a batch.
        flip: Whether there are mirrored crops.
        tune: ``off``: by rule; ``quick``: by timing a batch where that was not done before.

    Raises:
        OccbenchError: The combination does not work.
    """
    import numpy as np
    import torch

    from .checking import checked_batch, reference_output
    from .lanes import Lane, pinned_stack
    from .torch_backend import TorchBackend, be_exact
    from .tuning import TUNE, card, fastest, kept, timed, usual

    _check_combination("torch", precision, device)
    if tune not in TUNE:
        raise unknown_name("tune", tune, TUNE)
    by_rule = usual(estimator, precision)
    if tune == "off":
        return by_rule
    be_exact()
    place = torch.device(device)
    images = pinned_stack([*sample[np.arange(batch_size) % len(sample)]])
    batch = checked_batch(sample)
    reference = reference_output(estimator, batch)

    def seconds(choice: Choice) -> float:
        backend = TorchBackend(estimator, precision, device, batch, reference, say, choice)

        def compute(crops: torch.Tensor) -> torch.Tensor:
            return backend.forward(crops, flip)[0][-1].flatten(1).amax(1)

        lane = Lane(compute, place, batch_size, choice.graph, backend.halving)
        return timed(lambda: lane.start(images))

    def make() -> Choice:
        say(f"timing a batch of {batch_size} crops in several ways; this is done once")
        return fastest(by_rule, flip, seconds)

    return kept([*card(place), config_sha256, precision, batch_size, flip], make, cache)


def _check_combination(name: str, precision: str, device: str) -> None:
    if name not in BACKENDS:
        raise unknown_name("backend", name, BACKENDS)
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    kind = device.split(":")[0]
    known = name == "torch" and precision == "fp32"  # anywhere
    if not known and precision not in WORKS[name].get(kind, ()):
        here = [f"{backend} in {' or '.join(kinds[kind])}" for backend, kinds in WORKS.items() if kind in kinds]
        raise OccbenchError(
            f"--backend {name} does not run in {precision} on device {device!r}; "
            f"there, these do: {', '.join(here) or 'torch in fp32'}"
            + ("" if kind == "cpu" else f"; on --device cpu, {name} in {' or '.join(WORKS[name]['cpu'])}")
        )
