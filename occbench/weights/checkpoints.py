"""Weights: find or fetch them, verify them, load them without running what is in them."""

from __future__ import annotations

import hashlib
import os
import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from ..system.download import download, sha256
from ..system.errors import OccbenchError, quoted
from ..system.paths import cache_dir
from .formats import check_container
from .harmless import HARMLESS_GLOBALS, left_out
from .names import Wrapping, kept_names, wrapping_of

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["cached", "load_checkpoint", "load_into", "load_state_dict", "resolve", "sha256", "sha256_prefix"]

BY_HAND = "without network, download it elsewhere and give the file with --checkpoint FILE"

# Buffers of MMPose's data preprocessor. They are no weights: the config sets them, and current versions do not save
# them, so a checkpoint of another version may hold them (or lack them) without anything being wrong.
HARMLESS = frozenset({"data_preprocessor.mean", "data_preprocessor.std"})

PLACES = (
    *("state_dict", "model", "model_state_dict", "model_state", "state_dict_ema", "model_ema", "ema_state_dict"),
    *("ema", "module", "params_ema", "params", "net", "network", "weights"),
)
"""Where a checkpoint may hold its weights, the first that is there before the others."""

# What torch itself pickles around tensors; everything else is somebody's own class.
_TORCH_GLOBALS = re.compile(
    r"torch\._utils\._rebuild_\w+|torch(\.cuda)?\.\w+Storage|torch\.storage\.\w+Storage|torch\.(Size|device|Tensor)"
    r"|torch\.(q?u?int|b?float|complex)\d+(_\w+)?|torch\.(bool|half|double|long|serialization\._get_layout)"
    r"|torch\.nn\.parameter\.Parameter|collections\.OrderedDict|_codecs\.encode"
)


class Named(Protocol):
    """What has weights somewhere: a pose model or a detector."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def checkpoint(self) -> str | None:
        """A file of this package, an address, or None where none are known."""


def resolve(
    spec: str | None,
    model: Named,
    cache: Path | None = None,
    progress: bool | None = None,
    option: str = "--checkpoint",
) -> Path:
    """The file of the weights, fetched where that is needed.

    A fetched file is kept in the cache and verified, each time, against the sha256 prefix in its name
    (``name-<8 hex digits>[_date].pth``, as MMPose and torch name theirs) if it has one.

    Args:
        spec: A local path, an http(s) address, or None for the weights that the zoo knows.
        model: The model that they are for.
        cache: Where fetched files are kept; None: ``checkpoints`` in the cache folder.
        progress: Draw a progress bar on stderr; None: if that is a terminal.
        option: The command line's option that ``spec`` came from, for messages.

    Raises:
        OccbenchError: There are none, or they cannot be had, or they have the wrong checksum.
    """
    source = spec if spec is not None else model.checkpoint
    if source is None:
        raise OccbenchError(f"no weights of model {model.name!r} are known; give them with {option} FILE|URL")
    if not _is_url(source):
        return _local(source, shipped=spec is None)
    target = cached(source, cache)
    prefix = sha256_prefix(target.name)
    if target.exists():
        if sha256(target).startswith(prefix):
            return target
        target.unlink()  # damaged since it was fetched
    download(source, target, prefix=prefix, otherwise=BY_HAND.replace("--checkpoint", option), progress=progress)
    return target


def cached(url: str, cache: Path | None = None) -> Path:
    """Where the file of ``url`` lies once it is fetched."""
    folder = cache or cache_dir() / "checkpoints"
    name = unquote(Path(urlsplit(url).path).name) or "weights.pth"
    name = re.sub(r"[^\w.+-]", "_", name)[-150:].lstrip(".")
    if sha256_prefix(name):
        return folder / name
    return folder / hashlib.sha256(url.encode()).hexdigest()[:12] / name  # the name alone says nothing


def sha256_prefix(name: str) -> str:
    """The sha256 start that a file name promises (``81c58e40`` of ``hrnet-81c58e40_20220909.pth``), or ``""``."""
    match = re.search(r"-([0-9a-f]{8,64})(_20\d{6})?\.(?:pth|pt|tar|pth\.tar)$", name)
    if match is None:
        return ""
    is_date = re.fullmatch(r"20\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])", match[1]) and not match[2]
    return "" if is_date else match[1]


def load_state_dict(path: Path, trust: bool = False) -> dict[str, Tensor]:
    """Read the weights of a checkpoint, on the CPU.

    Taken is what a checkpoint has under one of :data:`PLACES`, or the whole where it holds nothing but tensors, under
    the model's own names (:func:`~.names.plain_names`). Optimiser, logs, EMA copies and meta data stay behind.

    Args:
        path: A file that ``torch.save`` wrote.
        trust: Allow it to build any object, which may run any code that is in the file.

    Raises:
        OccbenchError: No checkpoint, a truncated one, one without weights, or one that needs ``trust``.
    """
    return load_checkpoint(path, trust)[0]


def load_checkpoint(path: Path, trust: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """:func:`load_state_dict` with what the checkpoint says about itself (its ``meta``; empty where it has none)."""
    import torch

    if path.suffix.lower() == ".safetensors":
        return _safetensors(path)
    check_container(path)
    try:
        with nullcontext() if trust else left_out():
            content = torch.load(path, map_location="cpu", weights_only=not trust)
    except ModuleNotFoundError as error:
        raise OccbenchError(
            f"checkpoint {path} needs the Python module {error.name!r}: install it, or export the weights alone"
        ) from error
    except MemoryError as error:
        raise OccbenchError(f"checkpoint {path} does not fit into memory") from error
    except Exception as error:  # a damaged or hostile pickle can raise anything
        foreign = foreign_globals(path)
        if not trust and foreign and isinstance(error, pickle.UnpicklingError):
            raise OccbenchError(
                f"checkpoint {path} holds more than weights and would have to run code to load "
                f"({_some(foreign, 4)}); if you trust where it comes from, add --trust-checkpoint"
            ) from error
        # torch's own words for a bad pickle advise to load it without a guard.
        detail = "" if "weights_only" in str(error) else f" ({_first_line(error)})"
        raise OccbenchError(
            f"checkpoint {path} cannot be read: it is damaged or no PyTorch checkpoint{detail}"
        ) from error
    meta = content.get("meta") if isinstance(content, Mapping) else None
    return _weights(content, path), dict(meta) if isinstance(meta, Mapping) else {}


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights of the format that holds nothing but tensors, and words about them."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            meta = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise OccbenchError(f"checkpoint {path} cannot be read: it is no whole safetensors file ({error})") from error
    return _weights(content, path), meta


def load_into(model: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Put ``state`` into ``model``, all of it or not at all; afterwards a refused model must not be used.

    MMPose's own hooks rename the keys of its older versions on the way.

    Args:
        model: A model that was built from its config.
        state: Names to tensors, of :func:`load_state_dict`.
        source: What to call the weights in an error.

    Raises:
        OccbenchError: Keys are missing, left over or of another shape; it names the first of each and counts them.
    """
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    kept = _like(state, {k: v for k, v in state.items() if wanted.get(k, tuple(v.shape)) == tuple(v.shape)})
    reshaped = [
        f"{name} {tuple(state[name].shape)} for {wanted[name]}" for name in state if name not in kept and name in wanted
    ]
    try:
        result = model.load_state_dict(kept, strict=False)
        missing, unexpected = list(result.missing_keys), list(result.unexpected_keys)
    except Exception as error:  # the hooks that rename old keys take for granted that the architecture fits
        missing, unexpected = [k for k in wanted if k not in state], [k for k in state if k not in wanted]
        if not (missing or unexpected or reshaped):
            raise OccbenchError(f"weights {source} do not fit the model: {_first_line(error)}") from error
    missing = [key for key in missing if key not in HARMLESS and key not in state]
    unexpected = [key for key in unexpected if key not in HARMLESS]
    complaints = [
        f"{len(keys)} {what} ({_some(keys, 3)})"
        for keys, what in ((missing, "missing"), (unexpected, "left over"), (reshaped, "of another shape"))
        if keys
    ]
    if complaints:
        raise OccbenchError(
            f"weights {source} do not fit the model; keys: {', '.join(complaints)}. Give the config that they belong to"
        )


def foreign_globals(path: Path) -> list[str]:
    """Names of what a checkpoint would call that is neither torch's own nor harmless. Nothing is run."""
    found: dict[str, None] = {}
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                file.seek(0)
                _scan(file, found)
                return list(found)
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    if name.endswith("data.pkl"):
                        with archive.open(name) as member:
                            _scan(member, found)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        pass  # what was found so far is enough for a message
    return list(found)


def _scan(file: IO[bytes], found: dict[str, None]) -> None:
    """Collect the globals of the pickles that follow each other in ``file`` (the old format has five)."""
    strings: list[str] = []
    try:
        for _ in range(5):
            for opcode, argument, _position in pickletools.genops(file):
                if opcode.name in ("GLOBAL", "INST"):
                    name = str(argument).replace(" ", ".", 1)
                elif opcode.name == "STACK_GLOBAL" and len(strings) >= 2:
                    name = ".".join(strings[-2:])
                else:
                    if isinstance(argument, str):
                        strings = [*strings[-1:], argument]
                    continue
                if not _TORCH_GLOBALS.fullmatch(name) and name not in HARMLESS_GLOBALS:
                    found[name] = None
    except Exception:  # pickletools gives up on damaged pickles in many ways
        return


def _local(source: str, shipped: bool) -> Path:
    path = Path(source).expanduser()
    if not os.path.isfile(path):  # which, other than Path.is_file, takes any name for an answer
        if shipped:
            raise OccbenchError(f"the weights that belong to this package are missing: {path}; install it again")
        raise OccbenchError(f"there is no checkpoint file {quoted(source, 300)}; give a path or an http(s) address")
    prefix = sha256_prefix(path.name)
    try:
        if prefix and not sha256(path).startswith(prefix):
            raise OccbenchError(
                f"wrong checksum of {path}: by its name the sha256 starts with {prefix}, but it does not; "
                "download it again, or rename it if its content is meant to differ"
            )
    except OSError as error:
        raise OccbenchError(f"cannot read checkpoint {path}: {error.strerror}") from error
    return path


def _is_url(source: str) -> bool:
    scheme = urlsplit(source).scheme.lower()
    if scheme in ("http", "https"):
        if not urlsplit(source).hostname:
            raise OccbenchError(f"{source!r} is no address: it names no host")
        return True
    if "://" in source:
        raise OccbenchError(f"weights are fetched by http and https only, not {scheme}: {source}")
    return False


def _weights(content: Any, path: Path) -> dict[str, Tensor]:
    from torch import Tensor, nn

    for key in PLACES:
        if isinstance(content, Mapping) and isinstance(content.get(key), (Mapping, nn.Module)):
            content = content[key]
    if isinstance(content, nn.Module):
        content = content.state_dict()
    if not isinstance(content, Mapping) or not content:
        raise OccbenchError(f"checkpoint {path} holds no weights but a {type(content).__name__}")
    other = [str(key) for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if other:
        raise OccbenchError(
            f"checkpoint {path} holds no plain weights: {_some(other, 3)} {'is' if len(other) == 1 else 'are'} "
            f"no tensor; expected a dictionary of tensors, or one under {', '.join(PLACES)}"
        )
    kept = kept_names(content)
    wrapping = wrapping_of(kept)
    own = {wrapping.undo(key): content[key] for key in kept}
    return _like(content, own if len(own) == len(kept) else content, wrapping)


def _like(
    state: Mapping[str, Tensor], kept: Mapping[str, Tensor], wrapping: Wrapping | None = None
) -> OrderedDict[str, Tensor]:
    """``kept`` with the version numbers that torch hangs on a state dict: MMPose's hooks go by them."""
    result = OrderedDict(kept)
    undo = (wrapping or Wrapping()).undo
    metadata = getattr(state, "_metadata", None)
    if isinstance(metadata, Mapping):  # keys are module paths; that of the wrapped model itself becomes the root
        result._metadata = OrderedDict(  # type: ignore[attr-defined]
            (undo(key), versions) for key, versions in metadata.items() if isinstance(versions, Mapping)
        )
    return result


def _some(names: list[str], count: int) -> str:
    return ", ".join(name[:120] for name in names[:count]) + (", ..." if len(names) > count else "")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
