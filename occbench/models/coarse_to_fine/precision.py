"""Parts that stay in full precision, whatever the network around them is run in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """Without autocast on the device of a tensor (which torch's ``meta``, where networks are counted, has none of)."""
    return nullcontext() if x.device.type == "meta" else torch.autocast(x.device.type, enabled=False)
