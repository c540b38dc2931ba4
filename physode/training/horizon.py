"""How long a window can be before chaos makes its end say nothing about the field."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.solvers.grid import step_grid
from physode.solvers.runge_kutta import RUNGE_KUTTA, integrate_runge_kutta
from physode.solvers.sensitivity import trajectory_derivatives
from physode.training.batch import Batch

__all__ = ["MOST_FOLDINGS", "beyond_horizon", "foldings"]

MOST_FOLDINGS = 2.0
"""Times that a perturbation may grow by e within a window, at the rate of the later part of the window."""
RUGGED = 0.03
"""Typical error at the end of a window, in standard deviations; in the worst windows it is several times larger, no longer small."""
ENOUGH = 0.1
"""Share of `RUGGED` at which to stop when the record holds far more than its field has parameters: then long windows are not needed."""


@torch.no_grad()
def beyond_horizon(
    field: AbstractField, longer: Batch, initial: Tensor, intervals: int, max_step: float, residual: Tensor, *, plenty: bool
) -> Tensor:
    """Tell whether longer windows are too long, for each member of a fit.

    Parameters
    ----------
    field, longer, initial, intervals, max_step
        See `foldings`.
    residual : Tensor, shape (members,)
        Root mean square residual of the windows that were fitted last, scaled.
    plenty : bool
        Whether the record holds far more than its field has parameters.

    Returns
    -------
    Tensor of bool, shape (members,)
        Whether perturbations of the initial state grow by more than `MOST_FOLDINGS` powers of e within a longer window, against the
        motion itself, and blow the residual up to more than `RUGGED` or, with plenty of data, a share of it.

    Notes
    -----
    In chaos the parameters are seen ever more sharply along a longer window, but through a likelihood with ever more valleys
    (Pisarenko & Sornette 2004, doi:10.1103/PhysRevE.69.036122).
    """
    folds, growth = _growth(field, longer, initial, intervals, max_step)
    bound = RUGGED * (ENOUGH if plenty else 1.0)
    return (folds > MOST_FOLDINGS) & (residual.clamp(min=torch.finfo(residual.dtype).tiny).log() + growth > math.log(bound))


def foldings(field: AbstractField, longer: Batch, initial: Tensor, intervals: int, max_step: float) -> Tensor:
    """Powers of e by which perturbations of the initial state grow within longer windows, against the motion itself (its speed).

    Parameters
    ----------
    field : AbstractField
        Stacked (`physode.fields.members`).
    longer : Batch
        Some of the longer windows.
    initial : Tensor, shape (members, batch, n_states)
        Their initial states.
    intervals : int
        Length of the windows that were fitted last, shorter than these.
    max_step : float
        Largest integration step, scaled time.

    Returns
    -------
    Tensor, shape (members,)

    Notes
    -----
    The rate is the one between the shorter length and the longer: growth in proportion to time, as by shear, then counts no more than
    1.65 powers of e between windows of lengths T and 3 T however long they are, while chaos soon counts more.
    """
    return _growth(field, longer, initial, intervals, max_step)[0]


@torch.no_grad()
def _growth(field: AbstractField, longer: Batch, initial: Tensor, intervals: int, max_step: float) -> tuple[Tensor, Tensor]:
    """`foldings`, and the logarithm of the growth itself to the end of the longer windows."""
    tableau = RUNGE_KUTTA["rk4"]
    grid = step_grid(longer.time, max_step)
    stages = integrate_runge_kutta(tableau, field, initial, grid, longer.inputs)

    flow, _ = trajectory_derivatives(tableau, field, stages, grid, by_parameters=False)
    last = longer.time.shape[1] - 1
    reached, time = grid.observed(stages.states), longer.time
    growth, speed = [], []
    for column in (intervals, last):
        when = time[:, : column + 1].nan_to_num(-math.inf).amax(1)
        u = longer.inputs(when[:, None])[:, 0]
        slope = field(when, reached[..., column, :], u.expand(len(initial), *u.shape))
        carried = flow[..., column, :, :]
        known = carried.isfinite().all(-1).all(-1)  # a window that runs away has no norm
        size = torch.linalg.matrix_norm(torch.where(known[..., None, None], carried, 0.0), 2)
        growth.append(_mean_log(torch.where(known, size, torch.nan)))
        speed.append(_mean_log(slope.norm(dim=-1)))
    return (growth[1] - speed[1] - growth[0] + speed[0]) * last / (last - intervals), growth[1]


def _mean_log(size: Tensor) -> Tensor:
    """Mean logarithm over each member's windows that could be integrated; 0 if there are none."""
    logarithm = torch.where(size.isfinite(), size, torch.nan).clamp(min=torch.finfo(size.dtype).tiny).log()
    return logarithm.nanmean(1).nan_to_num(0.0)
