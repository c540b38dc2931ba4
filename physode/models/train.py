"""How a model is fitted: names become numbers, numbers a fitted field, and the field is put back under its names."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from physode.errors import DataError, FitError
from physode.models.dynamics import LearnedDynamics
from physode.models.encoding import encode, finite_inputs
from physode.models.layout import Layout
from physode.models.scaling import Scaling, measure
from physode.solvers import RungeKuttaSolver, by_hand, get_solver
from physode.training.fit import FAR, NEGLIGIBLE, SMALL_SOLVER_ERROR, FitSettings, Fitted, Guess, fit_field
from physode.training.initial_states import fit_start
from physode.training.result import FitResult, Progress, StopFit
from physode.training.smoothing import Smoothed, smooth
from physode.trajectories import times, values

if TYPE_CHECKING:
    from physode.models.base import AbstractModel

__all__ = ["train"]

Array = NDArray[np.float64]

MAX_STEP = 0.15
"""Largest training step in time constants; halved when the honesty check asks for it."""
ATTEMPTS = 3
"""Fits from weights drawn anew while the free run of the learned field leaves the record."""
MOST_PARAMETERS = 2000
"""Parameters up to which "auto" takes Levenberg-Marquardt, whose cost grows with the square of their number."""


def train(
    model: AbstractModel,
    ds: xr.Dataset,
    seed: int,
    validation: xr.Dataset | None,
    time_budget: float | None,
    callback: Callable[[Progress], None],
) -> tuple[LearnedDynamics, FitResult]:
    """Fit the field of a model to a record; see `AbstractModel.fit`."""
    started = clock.perf_counter()
    layout = model._layout(ds)
    raw = smooth(times(ds), values(ds, layout.observed))
    mean, scale, time_scale = measure(raw)
    scaling = _scaling(model, layout, ds, mean, scale, time_scale)
    _refuse_constant(layout, scaling.scale)
    batch = encode(ds, layout, scaling)
    guess = _guess(model, layout, scaling, raw, ds, np.random.default_rng(seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        field = model._field(layout).double()
        history: dict[str, list[float | int | str]] = {name: [] for name in ("epoch", "loss", "nfev", "wall_time", "stage")}

        def report(epoch: int, loss: float, nfev: int, stage: str) -> None:
            state = Progress(epoch, loss, nfev, clock.perf_counter() - started, stage)
            for name, column in history.items():
                column.append(getattr(state, name))
            callback(state)
            if time_budget is not None and state.wall_time > time_budget:
                raise StopFit("time_budget")

        solver = get_solver(model.solver, model.gradient)
        optimizer = _optimizer(model, sum(p.numel() for p in field.parameters()))
        differentiated = solver if optimizer == "levenberg-marquardt" else by_hand(solver)
        settings = FitSettings(optimizer, differentiated, MAX_STEP, model.max_iterations, model.tolerance)

        start = model._start(layout)

        def dynamics(fitted: Fitted) -> LearnedDynamics:
            states = fitted.states.numpy()
            if start is not None:
                fit_start(start.double(), fitted.states[:, 0])
            return LearnedDynamics(
                layout,
                scaling,
                field,
                solver,
                fitted.max_step,
                fitted.noise.numpy(),
                model._initial_precision(layout),
                _latent_map(layout, raw, mean, scale, time_scale, states),
                (states * scaling.scale + scaling.mean)[np.isfinite(states).all(-1)],
                start,
            )

        judge = None if validation is None else lambda fitted: _misfit(dynamics(fitted), validation)
        fitted = fit_field(field, batch, layout.index, guess, settings, report, judge)
        for _ in range(ATTEMPTS - 1):
            if not fitted.excursion > FAR:
                break
            before, kept = (field, fitted), {name: column.copy() for name, column in history.items()}
            for column in history.values():
                column.clear()
            field = model._field(layout).double()  # other weights, the next draw from the same seed
            fitted = fit_field(field, batch, layout.index, guess, settings, report, judge)
            if not fitted.excursion < before[1].excursion:  # nor where it was stopped
                (field, fitted), history = before, kept
    if not np.isfinite(fitted.loss) and fitted.status not in ("interrupted", "time_budget", "stopped"):
        raise FitError(
            "no window of the record could be integrated with the warm-started field. Look at the record for outliers or a wrong time "
            "unit, or try solver='implicit-midpoint' for a stiff one."
        )
    result = _result(fitted, layout, scaling, ds, history, clock.perf_counter() - started)
    return dynamics(fitted), result


def _refuse_constant(layout: Layout, scale: Array) -> None:
    for name, size in zip(layout.states, scale, strict=True):
        if not size > 0:
            raise DataError(
                f"state {name!r} does not change in this record, so there are no dynamics to fit; leave it out or make it an input."
            )


def _scaling(model: AbstractModel, layout: Layout, ds: xr.Dataset, mean: Array, scale: Array, time_scale: float) -> Scaling:
    full_mean, full_scale = model._scales(layout, mean, scale, time_scale)
    u = finite_inputs(ds, layout.inputs)
    axes = (0, 1)
    if not layout.inputs:
        return Scaling(full_mean, full_scale, np.zeros(0), np.ones(0), time_scale)
    spread = np.nanstd(u, axis=axes)
    return Scaling(full_mean, full_scale, np.nanmean(u, axis=axes), np.where(spread > 0, spread, 1.0), time_scale)


def _guess(model: AbstractModel, layout: Layout, scaling: Scaling, raw: Smoothed, ds: xr.Dataset, rng: np.random.Generator) -> Guess:
    index = list(layout.index)
    mean, scale, unit = scaling.mean[index], scaling.scale[index], scaling.time_scale
    observed = ((raw.value - mean) / scale, raw.first * unit / scale, raw.second * unit**2 / scale)
    states, slopes = model._guess(layout, observed, rng)
    known = [f"{name}_noise_std" in ds for name in layout.observed]
    given = [float(ds[f"{name}_noise_std"].mean()) if k else 0.0 for name, k in zip(layout.observed, known, strict=True)]
    known = [k and value > 0 for k, value in zip(known, given, strict=True)]
    noise = np.where(known, given, raw.noise) / scale
    return Guess(
        torch.from_numpy(states),
        torch.from_numpy(slopes),
        torch.from_numpy(noise),
        torch.tensor(known),
        torch.from_numpy(model._initial_precision(layout)),
    )


def _latent_map(layout: Layout, raw: Smoothed, mean: Array, scale: Array, time_scale: float, states: Array) -> Array:
    """Linear least squares of the latent components on the observed ones, their slopes, and 1; scaled."""
    latent = [layout.states.index(name) for name in layout.latent]
    n_known = 2 * len(layout.observed) + 1
    if not latent:
        return np.zeros((0, n_known))
    known = np.concatenate([(raw.value - mean) / scale, raw.first * time_scale / scale, np.ones((*states.shape[:2], 1))], axis=-1)
    valid = np.isfinite(known).all(-1) & np.isfinite(states).all(-1)
    solution = np.linalg.lstsq(known[valid], states[valid][:, latent], rcond=None)[0]
    return np.ascontiguousarray(solution.T)


def _misfit(dynamics: LearnedDynamics, validation: xr.Dataset) -> float:
    """Root mean square error of the forecast of the last three quarters of each held-out trajectory, in standard deviations."""
    names = dynamics.layout.observed
    data = values(validation, names)
    warmup = max(3, -(-data.shape[1] // 4))
    error = (values(dynamics.predict(validation, warmup), names) - data)[:, warmup:]
    return float(np.sqrt(np.nanmean((error / dynamics.scaling.scale[list(dynamics.layout.index)]) ** 2)))


def _optimizer(model: AbstractModel, n_parameters: int) -> str:
    explicit = isinstance(get_solver(model.solver, model.gradient), RungeKuttaSolver)
    if model.optimizer == "levenberg-marquardt" and not explicit:
        raise FitError(
            f"optimizer='levenberg-marquardt' differentiates explicit Runge-Kutta methods only, and solver is {model.solver!r}; "
            "use optimizer='lbfgs', or solver='rk4'."
        )
    if model.optimizer != "auto":
        return model.optimizer
    return "levenberg-marquardt" if explicit and n_parameters <= MOST_PARAMETERS else "lbfgs"


def _result(
    fitted: Fitted, layout: Layout, scaling: Scaling, ds: xr.Dataset, history: dict[str, list[float | int | str]], seconds: float
) -> FitResult:
    scale = scaling.scale[list(layout.index)]
    noise = dict(zip(layout.observed, (fitted.noise.numpy() * scale).tolist(), strict=True))
    honest = not fitted.solver_error > max(SMALL_SOLVER_ERROR * fitted.loss, NEGLIGIBLE)
    message = {
        "converged": "The fit converged.",
        "max_iterations": "The fit was still improving when it reached max_iterations; allow more of them for a better one.",
        "time_budget": "The time budget ran out; the best model so far was kept.",
        "interrupted": "The fit was interrupted; the best model so far was kept.",
        "stopped": "The callback stopped the fit; the best model so far was kept.",
    }[fitted.status]
    if not honest:
        message += (
            f" The training solver is off by {fitted.solver_error:.2g} standard deviations on the learned field, not small against "
            f"the residual of {fitted.loss:.2g}: the network may have absorbed the solver's error. Use a solver of higher order."
        )
    bounded = not fitted.excursion > FAR
    if not bounded:
        message += (
            f" Run freely along the record, the learned field goes {fitted.excursion:.2g} times as far from the mean as the record does: it"
            " is unstable where the windows of the fit did not lead. Try a smaller network, or a PortHamiltonianNeuralODE, which cannot be."
        )
    observed = int(np.isfinite(times(ds)).sum(1).max())
    if fitted.intervals < observed - 1 and fitted.status in ("converged", "max_iterations"):
        message += (
            f" Trajectories were fitted in windows of {fitted.intervals} intervals, not whole: longer ones could not be followed, as in "
            "chaos or when the model cannot represent the motion."
        )
    gaps = np.diff(times(ds), axis=1)
    return FitResult(
        success=fitted.status == "converged" and honest and bounded,
        status=fitted.status,
        message=message,
        nfev=fitted.n_evaluations,
        n_iterations=fitted.n_iterations,
        wall_time=seconds,
        loss=fitted.loss,
        noise_std=noise,
        solver_error=fitted.solver_error,
        window=float(fitted.intervals * np.nanmedian(gaps)),
        history=history,
    )
