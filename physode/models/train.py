"""How a model is fitted: names become numbers, numbers a fitted field, and the field is put back under its names."""

from __future__ import annotations

import math
import os
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from physode.errors import DataError, FitError
from physode.fields import AbstractField
from physode.models.dynamics import LearnedDynamics, to_numpy
from physode.models.encoding import encode, noise_levels
from physode.models.failures import describe
from physode.models.first_weights import first_weights
from physode.models.held_out import check_held_out, misfit
from physode.models.identity import identity
from physode.models.layout import Layout
from physode.models.options import finite_number
from physode.models.outcome import outcome
from physode.models.scaling import Scaling, changes, measure, spreads
from physode.models.velocities import backward
from physode.solvers import AbstractSolver, RungeKuttaSolver, by_hand, get_solver
from physode.training.batch import Batch, stack_records
from physode.training.equations import is_dual
from physode.training.evidence import group_positions
from physode.training.fit import fit_fields
from physode.training.fitted import STATUSES, FitSettings, Fitted, Guess, stack_guesses
from physode.training.journal import Journal
from physode.training.result import FitResult, OutOfTime, Progress, StopFit
from physode.training.smoothing import Smoothed, smooth
from physode.training.start_map import fit_start
from physode.training.windows import cut_windows
from physode.trajectories import OneClock, input_values, on_one_clock, times, values

if TYPE_CHECKING:
    from physode.models.base import AbstractModel

__all__ = ["train"]

Array = NDArray[np.float64]

MAX_STEP = 0.15
"""Largest training step in time constants; halved when the honesty check asks for it."""
MOST_PARAMETERS = 2000
"""Parameters up to which "auto" takes Levenberg-Marquardt, whose cost grows with the square of their number ..."""
MOST_MEASUREMENTS = 1000
"""... or with the square of the number of measurements, where that is the smaller one."""
MOST_DERIVATIVES = 10_000_000
"""Measurements times parameters, all of whose derivatives are held at once then."""
MOST_STEPS = {"levenberg-marquardt": 100, "lbfgs": 1000, "adam": 1000}
"""Steps on each length of windows where the model does not say how many."""
LARGEST = 1e100
"""Largest number in a record: powers of it must be numbers, too."""


@dataclass(frozen=True)
class _Frame:
    """What the members of a fit share."""

    model: AbstractModel
    layout: Layout
    scaling: Scaling
    whole: OneClock
    observed: NDArray[np.bool_]
    raw: list[Smoothed]
    solver: AbstractSolver
    fields: list[AbstractField]
    starts: list[AbstractField | None]

    def dynamics(self, member: int, fitted: Fitted) -> LearnedDynamics:
        """One member in the record's units; its field holds the parameters already."""
        states, start, scaling = fitted.states[0].cpu().double(), self.starts[member], self.scaling
        if start is not None:
            fit_start(start, fitted.states[0, :, 0])
        whole = states.numpy()
        raw = self.raw[min(member, len(self.raw) - 1)]
        return LearnedDynamics(
            self.layout,
            scaling,
            self.fields[member],
            self.solver,
            float(fitted.max_step[0]),
            fitted.noise[0].cpu().double().numpy(),
            self.model._initial_precision(self.layout),
            _latent_map(self.layout, raw, scaling, whole),
            self._at_observations(whole * scaling.scale + scaling.mean),
            start,
        )

    def _at_observations(self, states: Array) -> Array:
        """States at the observations alone, shape (n, n_states); rows of the inputs' samples are left out."""
        found = np.take_along_axis(states, self.whole.rows[..., None], axis=1)
        return np.asarray(found[self.observed & np.isfinite(found).all(-1)])


@torch.inference_mode(False)
@torch.enable_grad()
def train(
    model: AbstractModel,
    records: Sequence[xr.Dataset],
    seeds: Sequence[int],
    *,
    validation: xr.Dataset | None = None,
    time_budget: float | None = None,
    callback: Callable[[Progress], None] = lambda _: None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> list[tuple[LearnedDynamics, FitResult]]:
    """Fit the members of one fit together, each from its own seed; see `AbstractModel.fit`.

    Parameters
    ----------
    model : AbstractModel
        Gives the hyperparameters.
    records : sequence of Dataset
        One for all members, or one for each, with the same times and the same gaps.
    seeds : sequence of int
        One for each member.

    Returns
    -------
    list of (LearnedDynamics, FitResult)
    """
    started = clock.perf_counter()
    budget = math.inf if time_budget is None else finite_number("time_budget", time_budget)
    layout, observed = model._layout(records[0]), np.isfinite(times(records[0]))
    if validation is not None:
        check_held_out(layout, validation, records)
    itself = {} if checkpoint is None else identity(model, records, seeds, validation)
    whole = on_one_clock(records[0])
    ds, records = whole.record, [whole.record, *(on_one_clock(record).record for record in records[1:])]
    _refuse_extreme(layout, ds)
    raw = [_smoothed(record, layout) for record in records]
    scaling = _scaling(model, layout, ds, raw[0])
    _refuse_constant(layout, scaling)
    spread = spreads(values(ds, layout.observed), scaling.scale[list(layout.index)])
    place = model._place
    batch = stack_records([encode(record, layout, scaling) for record in records]).to(**place)
    levels = noise_levels(ds, layout.observed)[0], spread
    guesses = [
        _guess(model, layout, scaling, raw[min(k, len(raw) - 1)], *levels, np.random.default_rng(seed)) for k, seed in enumerate(seeds)
    ]
    guess = stack_guesses(guesses, **place)
    solver = get_solver(model.solver, model.gradient)
    told: dict[str, Any] = {
        "histories": [{name: [] for name in ("epoch", "loss", "nfev", "wall_time", "stage")} for _ in seeds],
        "seconds": 0.0,
    }
    journal = Journal(None if checkpoint is None else Path(checkpoint), itself, told)
    before, reasons = told["seconds"], list[str]()

    def report(members: Tensor, epochs: Tensor, losses: Tensor, nfev: int, stage: str) -> None:
        seconds = told["seconds"] = before + clock.perf_counter() - started
        for member, epoch, loss in zip(members.tolist(), epochs.tolist(), losses.tolist(), strict=True):
            for name, value in zip(told["histories"][member], (epoch, loss, nfev, seconds, stage), strict=True):
                told["histories"][member][name].append(value)
        try:
            callback(Progress(int(epochs.max()), float(losses.median()), nfev, seconds, stage))
        except StopFit as stop:
            reasons.append(stop.reason)
            raise

    def check_time() -> None:
        if clock.perf_counter() - started > budget:
            raise OutOfTime

    drawn = [first_weights(model, layout, seed) for seed in seeds]
    fields, starts = [field.to(**place) for field, _, _ in drawn], [None if start is None else start.to(**place) for _, start, _ in drawn]
    for field in fields:
        model._set_units(field, scaling)
    optimizer = _optimizer(model, fields[0], int(batch.mask.sum()))
    differentiated = solver if optimizer == "levenberg-marquardt" else by_hand(solver)
    settings = FitSettings(optimizer, differentiated, MAX_STEP, model.max_iterations or MOST_STEPS[optimizer], model.tolerance)
    frame = _Frame(model, layout, scaling, whole, observed, raw, solver, fields, starts)
    judge = None if validation is None else lambda member, fitted: misfit(frame.dynamics(member, fitted), validation, spread)
    random = [random for _, _, random in drawn]
    fitted = fit_fields(fields, batch, layout.index, guess, settings, random, report, judge, journal, check_time)
    lost = torch.nonzero(~fitted.loss.isfinite() & (fitted.status <= STATUSES.index("converged")))[:, 0].tolist()
    if lost:
        one = fitted.of(lost[0])
        where = _lost_window(frame.dynamics(lost[0], one), one, batch, guess.states[lost[0]], ds)
        raise FitError(f"no windows of the record could be integrated with the warm-started field{where}.")
    seconds, out = before + clock.perf_counter() - started, []
    how: dict[str, Any] = {"scheduled": optimizer == "adam", "judged": judge is not None, "reason": "".join(reasons), "seconds": seconds}
    how |= {"by_curvature": optimizer == "levenberg-marquardt", "second_order": fields[0].second_order}
    for member, history in enumerate(told["histories"]):
        one, record = fitted.of(member), records[min(member, len(records) - 1)]
        dynamics, states = frame.dynamics(member, one), to_numpy(one.states[0]) * scaling.scale + scaling.mean
        how["backward"] = backward(dynamics, states, input_values(record, layout.inputs))
        out.append((dynamics, outcome(one, layout, scaling, spread, record, history=history, **how)))
    return out


def _lost_window(dynamics: LearnedDynamics, fitted: Fitted, batch: Batch, guess: Tensor, ds: xr.Dataset) -> str:
    """Say which window of a record ran away first, and when."""
    windows, step = cut_windows(batch, max(int(fitted.intervals[0]), 1)), float(fitted.max_step[0])
    with torch.no_grad():
        initial = windows.pick_initial(guess[None])[0]
        found = to_numpy(dynamics.solver.integrate(dynamics.field, initial, windows.batch.time, windows.batch.inputs, step))
    lost = ~np.isfinite(found).all(-1) & windows.batch.time.isfinite().cpu().numpy()
    if not lost.any():
        return ": its residuals are too large for a number. Look at the record for outliers or a wrong time unit"
    window = int(lost.any(1).argmax())
    row, column = int(windows.rows[window]), windows.columns[window, : max(int(lost[window].argmax()), 1)].cpu().numpy()
    states = found[window, : len(column)] * dynamics.scaling.scale + dynamics.scaling.mean
    u = input_values(ds, dynamics.layout.inputs)[row, column]
    text = describe(dynamics, ds["trajectory"].values[row].item(), times(ds)[row, column], states, u)
    return f"; {text}; or look at the record for outliers or a wrong time unit"


def _refuse_extreme(layout: Layout, ds: xr.Dataset) -> None:
    """Raise DataError for numbers whose squares are none."""
    for name in (*layout.observed, *layout.inputs):
        found = np.abs(np.nan_to_num(ds[name].values))
        if found.max() > LARGEST:
            row = [int(i) for i in np.unravel_index(found.argmax(), found.shape)]
            raise DataError(
                f"{name!r} has the value {float(ds[name].values[tuple(row)])!r}, in trajectory {ds['trajectory'].values[row[0]].item()!r}, "
                f"row {row[1] + 1}: too large to compute with. If it stands for a missing value, write NaN; if not, give {name!r} in a "
                "larger unit."
            )
    time = times(ds)
    least, most = float(np.nanmin(np.diff(time, axis=1))), float(np.nanmax(np.abs(time)))
    if least < 1 / LARGEST or most > LARGEST:
        raise DataError(f"the times of this record reach {most:.3g} and are {least:.3g} apart; give them in a unit that suits the motion.")


def _refuse_constant(layout: Layout, scaling: Scaling) -> None:
    for name, mean, size in zip(layout.states, scaling.mean, scaling.scale, strict=True):
        if not size > 0:
            raise DataError(
                f"state {name!r} does not change in this record, or too little for a number (it is {mean:.6g} throughout), so there are no "
                "dynamics to fit; leave it out, make it an input, or give it in a smaller unit."
            )
    if not np.isfinite(scaling.time_scale):
        raise DataError(
            f"no trajectory of this record moves: {', '.join(layout.observed)} differ between trajectories only, so there are no dynamics "
            "to fit; give trajectories that change in time."
        )


def _smoothed(ds: xr.Dataset, layout: Layout) -> Smoothed:
    measured = values(ds, layout.observed)
    return smooth(times(ds), measured, unmeasured=np.nanmean(measured, axis=(0, 1)))


def _scaling(model: AbstractModel, layout: Layout, ds: xr.Dataset, raw: Smoothed) -> Scaling:
    mean, scale, time_scale = measure(values(ds, layout.observed), raw)
    full_mean, full_scale = model._scales(layout, raw, mean, scale, time_scale)
    u = input_values(ds, layout.inputs)
    if not layout.inputs:
        return Scaling(full_mean, full_scale, np.zeros(0), np.ones(0), time_scale)
    axes = (0, 1)
    input_scale = np.where(changes(u), np.nanstd(u, axis=axes), 1.0)
    return Scaling(full_mean, full_scale, np.nanmean(u, axis=axes), input_scale, time_scale)


def _guess(
    model: AbstractModel, layout: Layout, scaling: Scaling, raw: Smoothed, given: Array, spread: Array, rng: np.random.Generator
) -> Guess:
    """What a member starts from; `given` is the stated noise, 0 where none is, and `spread` what residuals are compared with."""
    index = list(layout.index)
    mean, scale, unit = scaling.mean[index], scaling.scale[index], scaling.time_scale
    observed = ((raw.value - mean) / scale, raw.first * unit / scale, raw.second * unit**2 / scale)
    states, slopes = model._guess(layout, observed, rng)
    known = given > 0
    noise = np.where(known, given, raw.noise) / scale
    parts = (states[None], slopes[None], noise[None], known, model._initial_precision(layout), spread / scale)
    return Guess(*(torch.from_numpy(part) for part in parts))


def _latent_map(layout: Layout, raw: Smoothed, scaling: Scaling, states: Array) -> Array:
    """Linear least squares of the latent components on the observed ones, their slopes, and 1; scaled."""
    latent = [layout.states.index(name) for name in layout.latent]
    n_known = 2 * len(layout.observed) + 1
    if not latent:
        return np.zeros((0, n_known))
    index = list(layout.index)
    mean, scale, unit = scaling.mean[index], scaling.scale[index], scaling.time_scale
    known = np.concatenate([(raw.value - mean) / scale, raw.first * unit / scale, np.ones((*states.shape[:2], 1))], axis=-1)
    valid = np.isfinite(known).all(-1) & np.isfinite(states).all(-1)
    solution = np.linalg.lstsq(known[valid], states[valid][:, latent], rcond=None)[0]
    return np.ascontiguousarray(solution.T)


def _optimizer(model: AbstractModel, field: AbstractField, n_measurements: int) -> str:
    explicit = isinstance(get_solver(model.solver, model.gradient), RungeKuttaSolver)
    if model.optimizer == "levenberg-marquardt" and not explicit:
        raise FitError(
            f"optimizer='levenberg-marquardt' differentiates explicit Runge-Kutta methods only, and solver is {model.solver!r}; "
            "use optimizer='lbfgs', or solver='rk4'."
        )
    if model.optimizer != "auto":
        return model.optimizer
    groups, _ = group_positions(field)
    few = n_measurements <= MOST_MEASUREMENTS and n_measurements * field.n_parameters <= MOST_DERIVATIVES
    small = field.n_parameters <= MOST_PARAMETERS or (few and is_dual(n_measurements, field.n_parameters, groups))
    return "levenberg-marquardt" if explicit and small else "lbfgs"
