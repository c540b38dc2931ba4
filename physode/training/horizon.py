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

__all__ = ["beyond_horizon"]

MOST_FOLDINGS = 2.0
"""Times that a perturbation may grow by e within a window, at the rate of the later part of the window."""
RUGGED = 0.03
"""Typical error at the end of a window, in standard deviations; in the worst windows it is several times larger, no longer small."""
ENOUGH = 0.1
"""Share of `RUGGED` at which to stop when the record holds far more than its field has parameters: then long windows are not needed."""


@torch.no_grad()
def beyond_horizon(
    field: AbstractField, longer: Batch, initial: Tensor, intervals: int, max_step: float, residual: float, *, plenty: bool
) -> bool:
    """Tell whether longer windows are too long.

    Parameters
    ----------
    field : AbstractField
    longer : Batch
        Some of the longer windows.
    initial : Tensor, shape (batch, n_states)
        Their initial states.
    intervals : int
        Length of the windows that were fitted last, shorter than these.
    max_step : float
        Largest integration step, scaled time.
    residual : float
        Root mean square residual of the windows that were fitted last, scaled.
    plenty : bool
        Whether the record holds far more than its field has parameters.

    Returns
    -------
    bool
        Whether perturbations of the initial state grow by more than `MOST_FOLDINGS` powers of e within a longer window, against the
        motion itself (its speed), and blow the residual up to more than `RUGGED` or, with plenty of data, a share of it.

    Notes
    -----
    The rate is the one between the shorter length and the longer: growth in proportion to time, as by shear, then counts no more than
    1.65 powers of e between windows of lengths T and 3 T however long they are, while chaos soon counts more. In chaos the parameters
    are seen ever more sharply along a longer window, but through a likelihood with ever more valleys (Pisarenko & Sornette 2004,
    doi:10.1103/PhysRevE.69.036122).
    """
    tableau = RUNGE_KUTTA["rk4"]
    grid = step_grid(longer.time, max_step)
    stages = integrate_runge_kutta(tableau, field, initial, grid, longer.inputs)

    def by_state_alone(t: Tensor, z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        return field.state_jacobian(t, z, u), z.new_zeros(*z.shape, 0)

    flow, _ = trajectory_derivatives(tableau, by_state_alone, stages, grid)
    last = flow.shape[1] - 1
    growth, speed = [], []
    for column in (intervals, last):
        state = stages.states[torch.arange(len(initial)), grid.index[:, column]]
        when = longer.time[:, : column + 1].nan_to_num(-math.inf).amax(1)
        slope = field(when, state, longer.inputs(when[:, None])[:, 0])
        carried = flow[:, column]
        known = carried.isfinite().flatten(1).all(1)  # a window that runs away has no norm
        growth.append(_mean_log(torch.linalg.matrix_norm(carried[known], 2)))
        speed.append(_mean_log(slope.norm(dim=1)))
    foldings = (growth[1] - speed[1] - growth[0] + speed[0]) * last / (last - intervals)
    bound = RUGGED * (ENOUGH if plenty else 1.0)
    return foldings > MOST_FOLDINGS and math.log(max(residual, 1e-300)) + growth[1] > math.log(bound)


def _mean_log(size: Tensor) -> float:
    """Mean logarithm over the windows that could be integrated; 0 if there are none."""
    finite = size[size.isfinite()].clamp(min=1e-300)
    return float(finite.log().mean()) if len(finite) else 0.0
