"""Many fields of one architecture as one: their parameters are stacked, and an evaluation is one call for all of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from physode.fields.base import AbstractField

__all__ = ["get_theta", "set_theta", "stack"]


def stack(fields: Sequence[AbstractField]) -> AbstractField:
    """Stack fields of one architecture.

    Parameters
    ----------
    fields : sequence of AbstractField
        At least one; they are left as they are.

    Returns
    -------
    AbstractField
        With `n_members` set. It maps states of shape (members, batch, n_states), and each parameter has a leading dimension of members.
    """
    stacked = copy.deepcopy(fields[0])
    _count(stacked, len(fields))
    for name, _ in fields[0].named_parameters():
        owner, _, leaf = name.rpartition(".")
        together = torch.stack([field.get_parameter(name).detach() for field in fields])
        setattr(stacked.get_submodule(owner), leaf, nn.Parameter(together))
    return stacked


def get_theta(field: AbstractField) -> Tensor:
    """All parameters as one vector for each member, shape (members, n_parameters), in the order of ``parameters()``."""
    if field.n_members is None:
        return torch.cat([parameter.detach().flatten() for parameter in field.parameters()])[None]
    return torch.cat([parameter.detach().flatten(1) for parameter in field.parameters()], dim=1)


def set_theta(field: AbstractField, theta: Tensor) -> None:
    """Overwrite the parameters by vectors of shape (members, n_parameters); a stacked field becomes one of as many members."""
    start = 0
    for parameter in field.parameters():
        shape = parameter.shape if field.n_members is None else parameter.shape[1:]
        size = shape.numel()
        part = theta[:, start : start + size]
        parameter.data = part.reshape(shape) if field.n_members is None else part.reshape(len(theta), *shape)
        start += size
    if field.n_members is not None:
        _count(field, len(theta))


def _count(field: AbstractField, n_members: int) -> None:
    """Tell a field, and the fields within it, how many members it has."""
    for module in field.modules():
        if isinstance(module, AbstractField):
            module.n_members = n_members
