"""How a fit ended, in numbers and in sentences that follow from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.models.encoding import noise_levels
from physode.models.layout import Layout
from physode.models.scaling import Scaling
from physode.training.fitted import STATUSES, Fitted
from physode.training.result import FitResult
from physode.training.stages import FAR, LONGEST, NEGLIGIBLE, SMALL_SOLVER_ERROR
from physode.trajectories import times, values

__all__ = ["outcome"]

Array = NDArray[np.float64]

UNEXPLAINED = 0.5
"""Residual of a state over its spread above which the model does not follow it, where no noise is stated."""
AS_STATED, CLOSE = 2.0, 0.01
"""Residual over stated noise up to which the noise explains it, and residual over spread up to which it need not."""


def outcome(
    fitted: Fitted,
    layout: Layout,
    scaling: Scaling,
    spread: Array,
    ds: xr.Dataset,
    *,
    scheduled: bool,
    judged: bool,
    by_curvature: bool,
    second_order: bool,
    reason: str,
    history: Mapping[str, list[float | int | str]],
    seconds: float,
) -> FitResult:
    """Say how the fit of one member ended, in the record's units.

    Parameters
    ----------
    fitted : Fitted
        Of one member.
    layout : Layout
    scaling : Scaling
    spread : ndarray, shape (n_observed,)
        What residuals are compared with.
    ds : Dataset
        The record, on one clock.
    scheduled : bool
        Whether the optimiser goes through a schedule of `max_iterations` steps, at whose end nothing is left to gain.
    judged : bool
        Whether a validation record chose the windows.
    by_curvature : bool
        Whether the optimiser takes Gauss-Newton steps, which seldom end early.
    second_order : bool
        Whether a measured velocity is taken for the slope of its position.
    reason : str
        What a callback said when it stopped the fit.
    history : mapping
    seconds : float
    """
    status, loss, solver_error = STATUSES[int(fitted.status[0])], float(fitted.loss[0]), float(fitted.solver_error[0])
    intervals = int(fitted.intervals[0])
    noise = fitted.noise[0].cpu().double().numpy() * scaling.scale[list(layout.index)]
    near = by_curvature and status == "converged"
    misfits = _residuals(fitted, layout, scaling, spread, ds, near=near, second_order=second_order)
    doubts = [_solver(solver_error, loss), _free_run(float(fitted.excursion[0])), *misfits]
    longest = min(int(np.isfinite(times(ds)).sum(1).max()) - 1, LONGEST)
    cut = intervals < longest and status in ("converged", "max_iterations")
    return FitResult(
        success=(status == "converged" or (scheduled and status == "max_iterations")) and not any(doubts),
        status=status,
        message=" ".join(filter(None, [_ended(status, scheduled, reason), *doubts, _windows(intervals, judged) if cut else ""])),
        nfev=fitted.n_evaluations,
        n_iterations=int(fitted.n_iterations[0]),
        wall_time=seconds,
        loss=loss,
        noise_std=dict(zip(layout.observed, noise.tolist(), strict=True)),
        solver_error=solver_error,
        window=_duration(times(ds), intervals),
        history=history,
    )


def _ended(status: str, scheduled: bool, reason: str) -> str:
    if scheduled and status == "max_iterations":
        return "The fit went through its schedule of max_iterations steps on each length of windows."
    return {
        "converged": "The fit converged.",
        "max_iterations": "The fit was still improving when it reached max_iterations; allow more of them for a better one.",
        "time_budget": "The time budget ran out; the best model so far was kept.",
        "interrupted": "The fit was interrupted; the best model so far was kept.",
        "stopped": f"The callback stopped the fit{f' ({reason})' if reason else ''}; the best model so far was kept.",
    }[status]


def _solver(error: float, loss: float) -> str:
    if not error > max(SMALL_SOLVER_ERROR * loss, NEGLIGIBLE):
        return ""
    return (
        f"The training solver is off by {error:.2g} standard deviations on the learned field, not small against "
        f"the residual of {loss:.2g}: the network may have absorbed the solver's error. Use a solver of higher order."
    )


def _free_run(excursion: float) -> str:
    if not excursion > FAR:
        return ""
    return (
        f"Run freely along the record, the learned field goes {excursion:.2g} times as far from the mean as the record does: it is "
        "unstable where the windows of the fit did not lead. Try a smaller network, or a PortHamiltonianNeuralODE, which cannot be."
    )


def _residuals(
    fitted: Fitted, layout: Layout, scaling: Scaling, spread: Array, ds: xr.Dataset, *, near: bool, second_order: bool
) -> list[str]:
    """One sentence for each observed state that the model does not follow, and one for the reasons that there may be."""
    index = list(layout.index)
    states = fitted.states[0].cpu().double().numpy()[..., index] * scaling.scale[index] + scaling.mean[index]
    stated, weight = noise_levels(ds, layout.observed)
    squares = (states - values(ds, layout.observed)) ** 2 * (1.0 if weight is None else weight)
    residuals = np.sqrt(np.nanmean(squares, axis=(0, 1)))
    misfits, reasons = [], [] if near else ["the optimiser did not get there (allow more max_iterations, or use 'levenberg-marquardt')"]
    reasons += [
        "the model cannot represent the motion (a state or an input may be missing: see AugmentedNeuralODE and SecondOrderNeuralODE)",
        "the fit ended in a poor place (try another seed or activation)",
        "the record is too sparse",
    ]
    for name, residual, size, noise in zip(layout.observed, residuals, spread, stated, strict=True):
        if noise and residual > max(AS_STATED * noise, CLOSE * size):
            beside, reason = f", {residual / noise:.2g} times the stated noise", f"the noise is larger than {name}_noise_std says"
        elif not noise and residual > UNEXPLAINED * size:
            beside, reason = "", f"{name} is mostly noise (then state its size as {name}_noise_std)"
        else:
            continue
        misfits.append(
            f"The residual of {name} is {residual / size:.2g} of its spread in the record{beside}: the model does not follow it."
        )
        reasons.append(reason)
        if second_order and (position := layout.attrs[name].get("time_derivative_of")):
            reasons.append(f"{name} is not the slope of {position} in its unit and sign")
    return [*misfits, f"Possible reasons: {'; '.join(reasons)}."] if misfits else []


def _windows(intervals: int, judged: bool) -> str:
    why = "longer ones could not be followed, as in chaos or when the model cannot represent the motion"
    if judged:
        why = f"of the fits that could be, this one forecast the validation record best, or {why}"
    return f"Trajectories were fitted in windows of {intervals} intervals, not whole: {why}."


def _duration(time: Array, intervals: int) -> float:
    """Duration of the longest window of so many intervals, as `cut_windows` cuts them."""
    last = np.isfinite(time).sum(axis=1, keepdims=True) - 1
    starts = np.minimum(np.arange(0, time.shape[1], max(intervals, 1)), last)
    ends = np.minimum(starts + intervals, last)
    return float((np.take_along_axis(time, ends, axis=1) - np.take_along_axis(time, starts, axis=1)).max())
