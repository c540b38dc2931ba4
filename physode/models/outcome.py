"""How a fit ended, in numbers and in sentences that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.models.encoding import noise_levels
from physode.models.layout import Layout
from physode.models.misfits import CLOSE, Followed, misfits, remarks
from physode.models.scaling import Scaling, changes
from physode.training.fitted import STATUSES, Fitted
from physode.training.horizon import MOST_FOLDINGS
from physode.training.result import FitResult
from physode.training.sampling import RESIDUALS_PER_PARAMETER
from physode.training.stages import FAR, LONGEST, NEGLIGIBLE, SMALL_SOLVER_ERROR
from physode.trajectories import input_values, times, values

__all__ = ["outcome"]

Array = NDArray[np.float64]

AT_ENDS = 10.0
"""Loss over the residual of the states that the model has, above which the ends of windows make nearly all of it."""
UNFITTED = (
    "no windows of the record were fitted yet, and the model is that of the warm start, which matches slopes of the smoothed record, "
    "as far as it had come"
)
"""What is kept of a fit that ended before its first windows."""


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
    backward: Sequence[tuple[str, str]],
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
    backward : sequence of (str, str)
        Measured velocities that point against the learned slopes of their positions.
    reason : str
        What a callback said when it stopped the fit.
    history : mapping
    seconds : float
    """
    status, loss, solver_error = STATUSES[int(fitted.status[0])], float(fitted.loss[0]), float(fitted.solver_error[0])
    intervals = int(fitted.intervals[0])
    begun = bool(np.isfinite(loss))
    noise = fitted.noise[0].cpu().double().numpy() * scaling.scale[list(layout.index)]
    followed = _followed(fitted, layout, scaling, spread, ds, second_order=second_order) if begun else []
    stuck = _stuck(float(fitted.foldings[0]), intervals)
    few = sum(int(np.isfinite(state.errors).sum()) for state in followed) < RESIDUALS_PER_PARAMETER * fitted.theta.shape[1]
    wrong = misfits(followed, _reasons(status, by_curvature=by_curvature, few=few))
    solver, unstable = _solver(solver_error, loss), _free_run(float(fitted.excursion[0]), small=bool(wrong) and not few)
    ends, empty = _ends(loss, followed, by_curvature=by_curvature), _empty(followed, len(layout.states))
    doubts = [solver, unstable, ends, stuck, empty, *wrong]
    longest = min(int(np.isfinite(times(ds)).sum(1).max()) - 1, LONGEST)
    cut = intervals < longest and status in ("converged", "max_iterations") and not stuck
    odd = [
        *([] if any(doubts) or not begun else map(_backward, backward)),
        *remarks(followed, times(ds), ds["trajectory"].values.tolist()),
        *_constant_inputs(ds, layout),
    ]
    ended = _ended(status, scheduled, reason, begun)
    return FitResult(
        success=(status == "converged" or (scheduled and status == "max_iterations")) and not any(doubts),
        status=status,
        message=" ".join(filter(None, [ended, *doubts, *odd, _windows(intervals, judged) if cut else ""])),
        nfev=fitted.n_evaluations,
        n_iterations=int(fitted.n_iterations[0]),
        wall_time=seconds,
        loss=loss,
        noise_std=dict(zip(layout.observed, noise.tolist(), strict=True)),
        solver_error=solver_error,
        window=_duration(times(ds), intervals),
        history=history,
    )


def _ended(status: str, scheduled: bool, reason: str, begun: bool) -> str:
    if scheduled and status == "max_iterations":
        return "The fit went through its schedule of max_iterations steps on each length of windows."
    kept = "the best model so far was kept" if begun else UNFITTED
    return {
        "converged": "The fit converged.",
        "max_iterations": "The fit was still improving when it reached max_iterations; allow more of them for a better one.",
        "time_budget": f"The time budget ran out; {kept}.",
        "interrupted": f"The fit was interrupted; {kept}.",
        "stopped": f"The callback stopped the fit{f' ({reason})' if reason else ''}; {kept}.",
    }[status]


def _reasons(status: str, *, by_curvature: bool, few: bool) -> list[str]:
    """Why a fit may not follow its record, where the record has few measurements for each parameter, or many."""
    out = []
    if not by_curvature:
        out.append("the optimiser did not get there (allow more max_iterations, or use 'levenberg-marquardt')")
    elif status != "converged":
        out.append("the optimiser did not get there (allow it more steps or time)")
    if not few:
        out.append(
            "the network is too small (give it wider layers, as hidden: the record has many measurements for each of its parameters)"
        )
    out += [
        "the model cannot represent the motion (a state or an input may be missing: see AugmentedNeuralODE and SecondOrderNeuralODE)",
        "the fit ended in a poor place (try another seed or activation)",
    ]
    return [*out, "the record is too sparse"] if few else out


def _solver(error: float, loss: float) -> str:
    if not error > max(SMALL_SOLVER_ERROR * loss, NEGLIGIBLE):
        return ""
    return (
        f"The training solver is off by {error:.2g} standard deviations on the learned field, not small against "
        f"the residual of {loss:.2g}: the network may have absorbed the solver's error. Use a solver of higher order."
    )


def _free_run(excursion: float, *, small: bool) -> str:
    if not excursion > FAR:
        return ""
    other = "a PortHamiltonianNeuralODE, which cannot be"
    return (
        f"Run freely along the record, the learned field goes {excursion:.2g} times as far from the mean as the record does: it is "
        f"unstable where the windows of the fit did not lead. Try {other if small else f'a smaller network, or {other}'}."
    )


def _stuck(growth: float, intervals: int) -> str:
    if not growth <= MOST_FOLDINGS:
        return ""
    return (
        f"Trajectories were fitted in windows of {intervals} intervals, and longer ones could not be followed, though the learned motion "
        "is not chaotic in them: the model cannot represent the motion for longer (a state, an input or friction may be missing), or the "
        "fit ended in a poor place (try another seed or activation)."
    )


def _empty(followed: Sequence[Followed], n_states: int) -> str:
    """A doubt where any law would do."""
    measured = sum(int(np.isfinite(state.errors).sum()) for state in followed)
    free = n_states * len(followed[0].errors) if followed else 0
    if measured > free or not followed:
        return ""
    return (
        f"The record has {measured} measurements, and the initial states of its trajectories are {free} numbers to choose: it says nothing "
        "of a law. Give trajectories with more measurements."
    )


def _ends(loss: float, followed: Sequence[Followed], *, by_curvature: bool) -> str:
    """A doubt where nearly all of the loss is at the ends of windows, where the states that are kept are the starts of the next ones."""
    squares = sum(np.nansum(state.errors**2) / state.size**2 for state in followed)
    residual = np.sqrt(squares / max(sum(np.isfinite(state.errors).sum() for state in followed), 1))
    if not followed or not loss > max(AT_ENDS * residual, CLOSE):
        return ""
    other = "" if by_curvature else ", or the optimizer 'levenberg-marquardt'"
    return (
        f"The learned field leaves the record before its windows end: with the last points of windows the residual is {loss:.2g} standard "
        f"deviations, and {residual:.2g} without them. Try another seed{other}."
    )


def _followed(fitted: Fitted, layout: Layout, scaling: Scaling, spread: Array, ds: xr.Dataset, *, second_order: bool) -> list[Followed]:
    """Each observed state of the record beside the fitted one."""
    index = list(layout.index)
    states = fitted.states[0].cpu().double().numpy()[..., index] * scaling.scale[index] + scaling.mean[index]
    measured = values(ds, layout.observed)
    stated, weight = noise_levels(ds, layout.observed)
    weight = np.ones_like(measured) if weight is None else weight
    slopes = [layout.attrs[name].get("time_derivative_of") if second_order else None for name in layout.observed]
    columns = (np.moveaxis(part, -1, 0) for part in (measured, states, weight))
    return [Followed(*of) for of in zip(layout.observed, *columns, spread.tolist(), stated.tolist(), slopes, strict=True)]


def _backward(pair: tuple[str, str]) -> str:
    velocity, position = pair
    return f"{velocity} points against the learned slope of {position}, which the record says it is: one of them may have the wrong sign."


def _constant_inputs(ds: xr.Dataset, layout: Layout) -> list[str]:
    u = input_values(ds, layout.inputs)
    changing = changes(u)
    return [
        f"The input {name} is {np.nanmean(u[..., k]):.6g} in the whole record: its effect cannot be told from a constant in the law, and "
        "what the model says of other values is a guess."
        for k, name in enumerate(layout.inputs)
        if not changing[k]
    ]


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
