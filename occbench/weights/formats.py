"""What kind of file it is that somebody gives as weights, told by its first bytes and its contents' names."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ..system.errors import OccbenchError

_WANTED = "give the .pth (or .pt) of torch.save that it was made from, or score its results with `occbench evaluate`"


def check_container(path: Path) -> None:
    """Turn away what cannot be a checkpoint of PyTorch, with a reason in plain words.

    Raises:
        OccbenchError: The file is missing, empty, cut off, a web page, or of another format; it says which.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
            is_zip = zipfile.is_zipfile(file)
        if is_zip:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            if unpacked > 8 * path.stat().st_size + 2**20:  # torch stores; a bomb deflates
                raise OccbenchError(f"checkpoint {path} unpacks to {unpacked:,} bytes, which no real one does")
            kind = _kind_of_zip([entry.filename for entry in entries])
        else:
            kind = _kind(head, path)
    except OSError as error:
        raise OccbenchError(f"cannot read checkpoint {path}: {error.strerror or error}") from error
    except zipfile.BadZipFile as error:
        raise OccbenchError(f"checkpoint {path} is damaged ({error}); download it again") from error
    if not head:
        raise OccbenchError(f"checkpoint {path} is empty; download it again")
    if head.startswith(b"version https://git-lfs"):
        raise OccbenchError(f"checkpoint {path} is a Git LFS pointer, not weights; run `git lfs pull` where it is from")
    if head.startswith(b"PK") and not is_zip:
        raise OccbenchError(f"checkpoint {path} is truncated; download it again")
    if kind.startswith("an archive"):
        raise OccbenchError(f"checkpoint {path} is {kind}; unpack it and give the .pth in it")
    if kind == "a web page":
        raise OccbenchError(f"checkpoint {path} is a web page, not weights; download the file itself")
    if kind == "a safetensors file":
        raise OccbenchError(f"checkpoint {path} is {kind}; give it under a name that ends in .safetensors")
    if kind:
        raise OccbenchError(f"checkpoint {path} is {kind}; {_WANTED}")


def _kind_of_zip(names: list[str]) -> str:
    """In words, what a zip file is that no ``torch.save`` wrote; empty for one that it may have written."""
    inner = {name.partition("/")[2] for name in names}
    if any(name.startswith("code/") or name == "constants.pkl" for name in inner):
        return "a TorchScript model"
    if {"serialized_exported_program.json", "archive_format"} & {*names, *inner}:
        return "a program of torch.export"
    if any(name.startswith("Data/com.apple.CoreML") for name in {*names, *inner}):
        return "a Core ML model"
    if not any(name.endswith("data.pkl") for name in names) and any(name.endswith((".pth", ".pt")) for name in names):
        return "an archive"
    return ""


def _kind(head: bytes, path: Path) -> str:
    """In words, what a file is that is no zip; empty where it may be a checkpoint."""
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 2**27:
        return "a safetensors file"
    text = head.lstrip()
    if text[:1] == b"<":
        return "a model of OpenVINO" if b"<net" in text and path.suffix == ".xml" else "a web page"
    if head.startswith(b"\x89HDF"):
        return "an HDF5 file (Keras)"
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model"
    if path.suffix.lower() == ".onnx" or _is_onnx(head):
        return "an ONNX model"
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf")):
        return "an archive"
    return ""


def _is_onnx(head: bytes) -> bool:
    """Whether these are the first fields of ONNX's ModelProto: ``ir_version``, then a text or the graph."""
    return len(head) > 2 and head[0] == 0x08 and 1 <= head[1] < 32 and head[2] in (0x12, 0x1A, 0x3A, 0x42)
