"""A record as tensors: what lies between the door in and the door out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Batch", "SampledInputs"]


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
            return time.new_zeros(*time.shape, 0)
        flat = time.reshape(len(time), -1)
        known = self.time.nan_to_num(torch.inf).contiguous()
        last = self.time.isfinite().sum(1, keepdim=True) - 1
        right = torch.searchsorted(known, flat.contiguous()).clamp(min=1).minimum(last)
        left = (right - 1).clamp(min=0)
        t0, t1 = self.time.gather(1, left), self.time.gather(1, right)
        share = torch.where(left < right, (flat - t0) / (t1 - t0), 0.0).clamp(0, 1)[..., None]
        u0, u1 = (self.values.gather(1, end[..., None].expand(-1, -1, n_inputs)) for end in (left, right))
        return (u0 + share * (u1 - u0)).reshape(*time.shape, n_inputs)


@dataclass(frozen=True)
class Batch:
    """Trajectories with their own times, scaled to order one.

    Attributes
    ----------
    time : Tensor, shape (batch, observations)
        NaN only at the end of the shorter trajectories.
    values : Tensor, shape (batch, observations, n_observed)
        NaN where nothing was measured.
    inputs : SampledInputs
    """

    time: Tensor
    values: Tensor
    inputs: SampledInputs

    def take(self, rows: Tensor, columns: Tensor) -> Batch:
        """Cut windows: row `rows[i]`, columns `columns[i]`, where a column of -1 stands for padding."""
        inside = columns >= 0
        safe = columns.clamp(min=0)
        time = torch.where(inside, self.time[rows[:, None], safe], torch.nan)
        values = torch.where(inside[..., None], self.values[rows[:, None], safe], torch.nan)
        u = self.inputs.values[rows[:, None], safe] if self.inputs.values.shape[-1] else values[..., :0]
        return Batch(time, values, SampledInputs(time, u))

    def first(self, count: int) -> Batch:
        """Keep the first `count` observations of every trajectory (inputs are kept whole)."""
        return Batch(self.time[:, :count], self.values[:, :count], self.inputs)
