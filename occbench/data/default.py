"""The data set of a model, for commands that name none: the one that it was made for."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import MappingProxyType

from ..system.errors import OccbenchError
from ..system.paths import data_dir
from .known import BY_NAME

MEASURED = MappingProxyType({"coco": "coco-val2017", "mpii": "mpii"})
"""By a model's data set what it is attacked, and validated, on."""

TRAINED = MappingProxyType({"coco": "coco-train2017", "mpii": "mpii-train"})
"""By a model's data set what it is trained on."""


def default_set(model: str, dataset: str, training: bool = False) -> str:
    """The name of the data set that a model is measured (or trained) on when none is named.

    Args:
        model: For the message.
        dataset: Whose keypoints it predicts, as the zoo says.
        training: The set to train on.

    Raises:
        OccbenchError: It is not known, as for a user's own config.
    """
    found = (TRAINED if training else MEASURED).get(dataset)
    if found is None:
        raise OccbenchError(f"--data: the data set of {model!r} is not known; name it, or an annotation file")
    return found


def require(name: str, fetching: bool, say: Callable[[str], None] = lambda line: None) -> None:
    """Have a data set in its place: its annotations and its folder of photos.

    Args:
        name: Of :data:`~.known.BY_NAME`.
        fetching: Fetch it where it is not there.
        say: Told how the fetching goes on.

    Raises:
        OccbenchError: It is not there, and not to be fetched, or cannot be.
    """
    known, root = BY_NAME[name], data_dir()
    places = [*((root / file, (root / file).is_file()) for file in known.files)]
    places.append((root / known.images, (root / known.images).is_dir()))
    absent = next((str(place) for place, there in places if not there), None)
    if absent is None:
        return
    if not fetching:
        raise OccbenchError(
            f"{name} is not at {absent!r} (OCCBENCH_DATA names another folder): `occbench fetch {known.fetch}` brings "
            "it or says where it is to be had, --fetch does so and goes on, and `--data sample` needs no download"
        )
    from .fetch import fetch
    from .fetchable import find

    fetch(find(known.fetch), root, mirror=os.environ.get("OCCBENCH_MIRROR", ""), say=say)
