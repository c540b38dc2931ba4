"""What a seed gives: the first weights of a field, and what draws all that is random in its fit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import torch

from physode.fields import AbstractField
from physode.models.layout import Layout

if TYPE_CHECKING:
    from physode.models.base import AbstractModel

__all__ = ["first_weights"]

DRAWING = threading.Lock()
"""Held while weights are drawn, for which torch has one generator and one default type only."""


def first_weights(model: AbstractModel, layout: Layout, seed: int) -> tuple[AbstractField, AbstractField | None, torch.Generator]:
    """Draw a field, with its map to first velocities where the model has one; torch's own generator and defaults are left as they are.

    Returns
    -------
    field, start : AbstractField
        On the CPU, in single precision: a seed means the same weights on every device and of every type.
    random : torch.Generator
        Of the CPU, where the draw left off.
    """
    default = torch.get_default_dtype()
    with DRAWING, torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed % 2**63)  # and not those of graphics cards, which a user draws from
        torch.set_default_dtype(torch.float32)
        try:
            field, start = model._field(layout), model._start(layout)
        finally:
            torch.set_default_dtype(default)
        random = torch.Generator().set_state(torch.get_rng_state())
    return field, start, random
