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
    """Inputs u(t) known at sample times, per trajectory, and interpolated linearly or held between them.

    Attributes
    ----------
    time : Tensor, shape (batch, samples)
        Increasing; NaN only at the end.
    values : Tensor, shape (batch, samples, n_inputs)
    held : tuple of bool
        Which inputs are held from their last sample, the others being linear; empty if none is.
    """

    time: Tensor
    values: Tensor
    held: tuple[bool, ...] = ()

    def __call__(self, time: Tensor, inside: Tensor | None = None) -> Tensor:
        """Interpolate at times of shape (batch, ...); constant outside the samples.

        At a sample's own time a held input has that sample's value. `inside`, of a shape that broadcasts to that of `time`, names the
        interval between two samples by a time in it: there the limit from within is given, where a held input jumps.
        """
        n_inputs = self.values.shape[-1]
        if n_inputs == 0:
            return self.values.new_zeros(*time.shape, 0)
        flat = time.reshape(len(time), -1)
        known = self.time.nan_to_num(torch.inf).contiguous()
        last = self.time.isfinite().sum(1, keepdim=True) - 1
        where = flat if inside is None else inside.expand(time.shape).reshape(len(time), -1)
        right = torch.searchsorted(known, where.contiguous(), right=True).clamp(min=1).minimum(last)
        left = (right - 1).clamp(min=0)
        t0, t1 = self.time.gather(1, left), self.time.gather(1, right)
        share = torch.where(left < right, (flat - t0) / (t1 - t0), 0.0).clamp(0, 1)[..., None]
        if any(self.held):
            passed = (where >= t1)[..., None]  # only beyond the last sample
            share = torch.where(torch.tensor(self.held, device=share.device), passed.to(share.dtype), share)
        u0, u1 = (self.values.gather(1, end[..., None].expand(-1, -1, n_inputs)) for end in (left, right))
        return (u0 + share.to(u0.dtype) * (u1 - u0)).reshape(*time.shape, n_inputs)

    def take(self, rows: Tensor) -> SampledInputs:
        """Keep the inputs of some trajectories."""
        return replace(self, time=self.time[rows], values=self.values[rows])


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
    weight : Tensor, shape (batch, observations, n_observed), optional
        Precision of each measurement against the mean over its state, for all members; all the same without it.
    """

    time: Tensor
    values: Tensor
    inputs: SampledInputs
    weight: Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> Batch:
        """Move everything to a device, and all but times to a type."""
        samples = replace(self.inputs, time=self.inputs.time.to(device), values=self.inputs.values.to(device, dtype))
        weight = None if self.weight is None else self.weight.to(device, dtype)
        return Batch(self.time.to(device), self.values.to(device, dtype), samples, weight)

    @property
    def of_members(self) -> Tensor:
        """The values with a leading dimension, of 1 where all members see the same."""
        return self.values if self.values.ndim == 4 else self.values[None]

    @property
    def mask(self) -> Tensor:
        """Where something was measured, shape (batch, observations, n_observed)."""
        return self.of_members[0].isfinite()

    @property
    def root(self) -> Tensor:
        """What residuals are multiplied by: the root of the weight, 0 where nothing was measured; shape of `mask`."""
        return self.mask.to(self.values.dtype) if self.weight is None else torch.where(self.mask, self.weight.sqrt(), 0.0)

    def of(self, members: Tensor) -> Batch:
        """Keep what some members see."""
        return self if self.values.ndim == 3 else replace(self, values=self.values[members])

    def choose(self, rows: Tensor) -> Batch:
        """Keep some trajectories."""
        weight = None if self.weight is None else self.weight[rows]
        return Batch(self.time[rows], self.values[..., rows, :, :], self.inputs.take(rows), weight)

    def take(self, rows: Tensor, columns: Tensor) -> Batch:
        """Cut windows: row `rows[i]`, columns `columns[i]`, where a column of -1 stands for padding."""
        inside = columns >= 0
        safe = columns.clamp(min=0)
        time = torch.where(inside, self.time[rows[:, None], safe], torch.nan)
        values = torch.where(inside[..., None], self.values[..., rows[:, None], safe, :], torch.nan)
        u = self.inputs.values[rows[:, None], safe]
        weight = None if self.weight is None else self.weight[rows[:, None], safe]
        return Batch(time, values, replace(self.inputs, time=time, values=u), weight)

    def first(self, count: int) -> Batch:
        """Keep the first `count` observations of every trajectory (inputs are kept whole)."""
        weight = None if self.weight is None else self.weight[:, :count]
        return Batch(self.time[:, :count], self.values[..., :count, :], self.inputs, weight)

    def until(self, row: Tensor) -> Batch:
        """Keep the observations of each trajectory up to and with one, given by its position (inputs are kept whole)."""
        short = self.first(int(row.max()) + 1)
        kept = torch.arange(short.time.shape[1], device=row.device) <= row[:, None]
        time, values = torch.where(kept, short.time, torch.nan), torch.where(kept[..., None], short.values, torch.nan)
        return replace(short, time=time, values=values)


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
