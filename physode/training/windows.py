"""Cutting records into windows, the intervals of multiple shooting (Bock & Plitt 1984)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from physode.training.batch import Batch

__all__ = ["Windows", "cut_windows", "typical_intervals"]


@dataclass(frozen=True)
class Windows:
    """Windows of a batch, each one a trajectory of its own; neighbours share one observation.

    Attributes
    ----------
    batch : Batch
    rows : Tensor of int64, shape (windows,)
        Trajectory that each window was cut from.
    columns : Tensor of int64, shape (windows, length)
        Observations in it; -1 is padding.
    """

    batch: Batch
    rows: Tensor
    columns: Tensor

    def choose(self, which: Tensor) -> Windows:
        """Keep some windows, given their positions."""
        return Windows(self.batch.choose(which), self.rows[which], self.columns[which])

    def pick_initial(self, states: Tensor) -> Tensor:
        """Initial states (members, windows, n_states) of the windows, from states (members, trajectories, observations, n_states)."""
        return states[:, self.rows, self.columns[:, 0]]

    def spread(self, window_states: Tensor, states: Tensor) -> Tensor:
        """Lay states of shape (members, windows, length, n_states) back over the record, on a copy of `states`.

        Where two windows share an observation, the start of the later one is taken.
        """
        out = states.clone()
        window, place = torch.nonzero(self.columns[:, 1:] >= 0, as_tuple=True)
        out[:, self.rows[window], self.columns[window, place + 1]] = window_states[:, window, place + 1]
        out[:, self.rows, self.columns[:, 0]] = window_states[:, :, 0]  # by itself: of two writes to one place, a graphics card takes any
        return out


def cut_windows(batch: Batch, intervals: int) -> Windows:
    """Cut each trajectory into windows of `intervals` intervals; the last one may be shorter.

    Parameters
    ----------
    batch : Batch
    intervals : int
        Number of intervals between observations in a window, at least 1.

    Returns
    -------
    Windows
    """
    lengths, device = batch.time.isfinite().sum(1), batch.time.device
    width = min(intervals, int(lengths.max()) - 1) + 1
    starts = [(row, start) for row, length in enumerate(lengths.tolist()) for start in range(0, max(length - 1, 1), intervals)]
    row_index, first = torch.tensor(starts, device=device).T
    columns = first[:, None] + torch.arange(width, device=device)
    column_index = torch.where(columns < lengths[row_index][:, None], columns, -1)
    return Windows(batch.take(row_index, column_index), row_index, column_index)


def typical_intervals(time: Tensor, duration: float) -> float:
    """Count the intervals that a duration holds, parts of them too: the median over the observations that it can start from.

    Observations may come in bursts, as where inputs are sampled a moment after the states, and there may be pauses: the median interval is
    then far from telling.

    Parameters
    ----------
    time : Tensor, shape (batch, observations)
        Increasing; NaN only at the end.
    duration : float

    Returns
    -------
    float
        All intervals of the longest trajectory, where the duration is longer than every one of them.

    Examples
    --------
    >>> pairs = torch.arange(10.0)[:, None] + torch.tensor([0.0, 0.001])
    >>> round(typical_intervals(pairs.reshape(1, -1), 3.0))
    6
    """
    last = time.isfinite().sum(1, keepdim=True) - 1
    known, ends = time.nan_to_num(torch.inf).contiguous(), (time + duration).nan_to_num(torch.inf).contiguous()
    before = torch.searchsorted(known, ends, right=True) - 1
    inside = time.isfinite() & (before < last)
    if not bool(inside.any()):
        return float(last.max())
    before = before.minimum(last - 1).clamp(min=0)
    part = (ends - known.gather(1, before)) / (known.gather(1, before + 1) - known.gather(1, before))
    counts = before - torch.arange(time.shape[1], device=time.device) + part
    return float(counts[inside].median())
