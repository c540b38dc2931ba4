"""The steps of an integration: every trajectory has its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from physode.errors import DataError

__all__ = ["StepGrid", "step_grid"]


@dataclass(frozen=True)
class StepGrid:
    """Step sizes of a batch of trajectories that pass through their observation times.

    Attributes
    ----------
    start : Tensor, shape (batch,)
        Time of each initial state.
    step : Tensor, shape (batch, steps)
        Step sizes; 0 where a trajectory has fewer steps than the longest, so that it stands still.
    index : Tensor of int64, shape (batch, observations)
        Number of steps after which each observation is reached.
    """

    start: Tensor
    step: Tensor
    index: Tensor

    @property
    def time(self) -> Tensor:
        """Times of all grid points, shape (batch, steps + 1)."""
        return self.start[:, None] + torch.cat([torch.zeros_like(self.start)[:, None], self.step.cumsum(1)], dim=1)

    @property
    def middle(self) -> Tensor:
        """Middle of each step, shape (batch, steps, 1): on the inner side of a jump at either end."""
        return (self.time[:, :-1] + 0.5 * self.step)[..., None]

    def take(self, rows: slice) -> StepGrid:
        """Keep some trajectories."""
        return StepGrid(self.start[rows], self.step[rows], self.index[rows])

    def observed(self, states: Tensor) -> Tensor:
        """Pick the states at the observations, (..., batch, observations, n_states), from those of all grid points."""
        if self._every:
            return states
        rows = torch.arange(len(self.index), device=states.device)[:, None]
        return states[..., rows, self.index, :]

    @cached_property
    def _every(self) -> bool:
        """Whether every grid point is an observation, but for those where a trajectory stands still: then there is nothing to pick."""
        n = self.step.shape[1] + 1
        every = torch.arange(n, device=self.index.device).minimum(self.index[:, -1:])
        return self.index.shape[1] == n and bool((self.index == every).all())


def step_grid(time: Tensor, max_step: float) -> StepGrid:
    """Cut the interval between any two observations into equal steps no longer than `max_step`.

    Parameters
    ----------
    time : Tensor, shape (batch, observations)
        Increasing times; NaN at the end of the shorter trajectories.
    max_step : float
        Largest step size, in the unit of `time`.

    Returns
    -------
    StepGrid
        NaN times map to the last valid step.

    Raises
    ------
    DataError
        If times go backwards.
    """
    gaps = time.diff(dim=1)
    if bool((gaps < 0).any()):
        row, k = torch.nonzero(gaps < 0)[0].tolist()
        found = f"from {float(time[row, k]):.6g} to {float(time[row, k + 1]):.6g} in row {row}"
        raise DataError(f"steps of fixed size go forward, and the times go backwards, {found}; sort them, or use solver='dopri5'.")
    count = torch.ceil(gaps / max_step - 1e-9).clamp(min=1).nan_to_num(0).long()
    index = torch.cat([count.new_zeros(len(time), 1), count.cumsum(1)], dim=1)
    n_steps = int(index[:, -1].max())
    position = torch.arange(n_steps, device=time.device).expand(len(time), -1)
    interval = torch.searchsorted(index[:, 1:].contiguous(), position.contiguous(), right=True)
    inside = interval < gaps.shape[1]
    interval = interval.clamp(max=max(gaps.shape[1] - 1, 0))
    size = (gaps / count).nan_to_num(0.0, posinf=0.0)
    step = torch.where(inside, size.gather(1, interval), 0.0) if n_steps else time[:, :0]
    return StepGrid(time[:, 0], step, index)
