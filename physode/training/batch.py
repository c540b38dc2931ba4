"""A record as tensors: what lies between the door in and the door out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from physode.errors import DataError

__all__ = ["Batch", "SampledInputs", "stack_records"]


@dataclass(frozen=True)
class SampledInputs:
    """Inputs u(t) known at sample times and interpolated linearly, per trajectory.

    Attributes
    ----------
    time : Tensor, shape (batch, samples)
        Increasing; NaN only at the end.
    values : Tensor, shape (batch, samples, n_inputs)
    """

    time: Tensor
    values: Tensor

    def __call__(self, time: Tensor) -> Tensor:
        """Interpolate at times of shape (batch, ...); constant outside the samples."""
        n_inputs = self.values.shape[-1]
        if n_inputs == 0:
            return self.values.new_zeros(*time.shape, 0)
        flat = time.reshape(len(time), -1)
        known = self.time.nan_to_num(torch.inf).contiguous()
        last = self.time.isfinite().sum(1, keepdim=True) - 1
        right = torch.searchsorted(known, flat.contiguous()).clamp(min=1).minimum(last)
        left = (right - 1).clamp(min=0)
        t0, t1 = self.time.gather(1, left), self.time.gather(1, right)
        share = torch.where(left < right, (flat - t0) / (t1 - t0), 0.0).clamp(0, 1)[..., None]
        u0, u1 = (self.values.gather(1, end[..., None].expand(-1, -1, n_inputs)) for end in (left, right))
        return (u0 + share.to(u0.dtype) * (u1 - u0)).reshape(*time.shape, n_inputs)


@dataclass(frozen=True)
class Batch:
    """Trajectories with their own times, scaled to order one.

    Attributes
    ----------
    time : Tensor, shape (batch, observations)
        float64 whatever the values are, for steps are differences of times; NaN only at the end of the shorter trajectories.
    values : Tensor, shape (batch, observations, n_observed) or (members, batch, observations, n_observed)
        NaN where nothing was measured, and that in the same places for all members; without a dimension of members all see the same.
    inputs : SampledInputs
    """

    time: Tensor
    values: Tensor
    inputs: SampledInputs

    def to(self, device: torch.device, dtype: torch.dtype) -> Batch:
        """Move everything to a device, and values to a type."""
        samples = SampledInputs(self.inputs.time.to(device), self.inputs.values.to(device, dtype))
        return Batch(self.time.to(device), self.values.to(device, dtype), samples)

    @property
    def of_members(self) -> Tensor:
        """The values with a leading dimension, of 1 where all members see the same."""
        return self.values if self.values.ndim == 4 else self.values[None]

    @property
    def mask(self) -> Tensor:
        """Where something was measured, shape (batch, observations, n_observed)."""
        return self.of_members[0].isfinite()

    def take(self, rows: Tensor, columns: Tensor) -> Batch:
        """Cut windows: row `rows[i]`, columns `columns[i]`, where a column of -1 stands for padding."""
        inside = columns >= 0
        safe = columns.clamp(min=0)
        time = torch.where(inside, self.time[rows[:, None], safe], torch.nan)
        values = torch.where(inside[..., None], self.values[..., rows[:, None], safe, :], torch.nan)
        u = self.inputs.values[rows[:, None], safe]
        return Batch(time, values, SampledInputs(time, u))

    def first(self, count: int) -> Batch:
        """Keep the first `count` observations of every trajectory (inputs are kept whole)."""
        return Batch(self.time[:, :count], self.values[..., :count, :], self.inputs)


def stack_records(batches: Sequence[Batch]) -> Batch:
    """Join the records of members, or leave the only one as it is.

    Raises
    ------
    DataError
        If their times, their inputs or their gaps differ.
    """
    first = batches[0]
    if len(batches) == 1:
        return first
    for other in batches[1:]:
        pairs = ((first.time, other.time), (first.inputs.values, other.inputs.values), (first.mask, other.mask))
        if not all(a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs):
            raise DataError("members that are fitted together need records of the same times, inputs and gaps; fit these one by one.")
    return replace(first, values=torch.stack([batch.values for batch in batches]))
