"""``fit(ds)`` with no option at all, beside the best of a small grid, on records as users bring them; writes benchmarks/defaults.md.

Run it from the project's root: ``python benchmarks/defaults.py [--quick] [--only NAME] [--out FILE]``. Each record holds what was measured
and nothing else: no truth, no noise level. The family is the one that the README's table names for the record; what is tuned is
the network, its activation and the tolerance: of the whole grid, the fit with the smallest error on a validation record is "the tuned one".
Test and validation records are other trajectories, or later stretches of a single one, never used in fitting; a model sees the first
measurements of each, and the error is that of the rest against the noise-free truth, root mean square in standard deviations of each state.
The default is fitted from seeds 0 to 4 and counts by its median; the grid is fitted from seed 0, and what it chose from all of them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import torch
import xarray as xr

import physode
from physode import systems
from physode.errors import PhysodeError
from physode.models import AbstractModel
from physode.trajectories import input_names, state_names, times, values

OUT = Path("benchmarks/defaults.md")
GRID = tuple(itertools.product(((8,), (32,), (64,), (32, 32)), ("tanh", "softplus"), (0.01, 0.001)))
QUICK = (((8,), "tanh", 0.001), ((64,), "tanh", 0.001), ((32,), "softplus", 0.001), ((32, 32), "tanh", 0.01))
SEEDS = range(5)
COLUMNS = (
    *("case", "model", "trajectories / points", "noise", "default", "least to most", "tuned", "ratio"),
    *("its setting", "ratio", "which (hidden, activation, tolerance)", "s", "status"),
)
WITHIN = 3.0
BUDGET = 120.0  # seconds of the clock for each fit of the grid; the default has none
AU = 1.495978707e11  # metres


@dataclass(frozen=True)
class Case:
    """One record.

    Attributes
    ----------
    name, system : str
    family : type
    points : int
        Times of each trajectory.
    span : float
        Duration of each trajectory, in the system's own time.
    trajectories : int
        For fitting; 1 is a single trajectory from the system's own start, whose later stretches are validation and test.
    noise : float
        Standard deviation over that of each state.
    observe : tuple of str
        Measured states.
    scale, offset : mapping
        State in the record's unit = scale * state + offset.
    clock : float
        Unit of the record's time over that of the system.
    units : mapping
    lengths : tuple of int, optional
        Shortest and longest trajectory, in times.
    irregular : bool
        Whether each trajectory has times of its own.
    missing : float
        Share of values that are missing.
    parameters : mapping
    """

    name: str
    system: str
    family: type[AbstractModel]
    points: int
    span: float
    trajectories: int
    noise: float
    observe: tuple[str, ...]
    scale: Mapping[str, float] = field(default_factory=dict)
    offset: Mapping[str, float] = field(default_factory=dict)
    clock: float = 1.0
    units: Mapping[str, str] = field(default_factory=dict)
    lengths: tuple[int, int] | None = None
    irregular: bool = False
    missing: float = 0.0
    parameters: Mapping[str, float] = field(default_factory=dict)


NODE, SONODE = physode.NeuralODE, physode.SecondOrderNeuralODE
CASES = (
    Case("pendulum, angles alone", "pendulum", SONODE, 100, 10, 10, 0.01, ("theta",)),
    Case("pendulum, 10 % noise", "pendulum", NODE, 50, 10, 20, 0.10, ("theta", "omega")),
    Case("Lotka-Volterra, one record", "lotka-volterra", NODE, 101, 10, 1, 0.0, ("x", "y")),
    Case("Lotka-Volterra, one short noisy record", "lotka-volterra", NODE, 41, 10, 1, 0.05, ("x", "y")),
    Case("van der Pol, mu = 5", "van-der-pol", NODE, 200, 20, 5, 0.01, ("x", "v"), parameters={"mu": 5.0}),
    Case("Lorenz, one long record", "lorenz", NODE, 2000, 40, 1, 0.01, ("x", "y", "z")),
    Case("cubic spiral", "cubic-spiral", NODE, 100, 10, 5, 0.02, ("x", "y")),
    Case(
        "damped oscillator, micrometres and microseconds", "damped-oscillator", SONODE, 80, 15, 5, 0.02, ("x",),
        scale={"x": 1e-6}, clock=1e-6, units={"time": "s", "x": "m"},
    ),
    Case(
        "two bodies, metres and years", "two-body", SONODE, 60, 8, 8, 0.001, ("x1", "y1", "x2", "y2"),
        scale=dict.fromkeys(("x1", "y1", "x2", "y2"), AU), clock=1 / (2 * np.pi),
        units={"time": "year", **dict.fromkeys(("x1", "y1", "x2", "y2"), "m")},
    ),
    Case("driven Duffing oscillator", "forced-duffing", SONODE, 600, 60, 1, 0.01, ("x",)),
    Case("pendulum, 20 points", "pendulum", NODE, 20, 5, 1, 0.03, ("theta", "omega")),
    Case("damped pendulum, irregular with gaps", "damped-pendulum", SONODE, 60, 10, 10, 0.02, ("theta",), irregular=True, missing=0.3),
    Case("two masses, unequal lengths", "coupled-oscillators", NODE, 150, 20, 6, 0.02, ("x1", "x2", "v1", "v2"), lengths=(30, 150)),
    Case("tiny beside huge", "lotka-volterra", NODE, 100, 10, 5, 0.01, ("x", "y"), scale={"x": 1e6, "y": 1e-6}),
    Case("offset 1e6, amplitude 1", "damped-oscillator", SONODE, 100, 15, 5, 0.01, ("x",), offset={"x": 1e6}),
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A record, its noise-free truth of shape (trajectory, times, state), and how many first measurements a model sees."""

    ds: xr.Dataset
    truth: np.ndarray
    warmup: int


def main() -> None:
    """Fit the defaults and the grid on each case, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a grid of 4 fits in place of 16")
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    grid = QUICK if options.quick else GRID
    rows = []
    for case in CASES:
        if options.only is None or options.only in case.name:
            rows.append(row(case, grid))
            print(rows[-1], flush=True)
            options.out.write_text(page(rows, grid))


def row(case: Case, grid: tuple[tuple[tuple[int, ...], str, float], ...]) -> str:
    """Fit everything on one case."""
    train, validation, test = make(case)
    defaults = [fit(case.family(), train, seed) for seed in SEEDS]
    errors = [error_of(model, test) for model, _, _ in defaults]
    error, seconds = np.median(errors), np.median([spent for _, spent, _ in defaults])
    chosen, least, best = None, error_of(defaults[0][0], validation), errors[0]
    for setting in grid:
        model = fit(tuned(case, setting), train, budget=BUDGET)[0]
        if (found := error_of(model, validation)) < least:
            chosen, least, best = setting, found, error_of(model, test)
    kept, again = "the default itself", error
    if chosen is not None:
        others = [error_of(fit(tuned(case, chosen), train, seed, budget=BUDGET)[0], test) for seed in SEEDS[1:]]
        kept, again = ", ".join(map(str, chosen)), np.median([best, *others])
    measured = int(np.isfinite(times(train.ds)).sum())
    cells = (case.name, case.family.registry_name, f"{len(times(train.ds))} / {measured}", f"{100 * case.noise:g} %")
    spread = f"{min(errors):.2g} to {max(errors):.2g}"
    statuses = ", ".join(sorted({status for _, _, status in defaults}))
    ratios = f"{best:.2g}", f"{error / best:.2f}", f"{again:.2g}", f"{error / again:.2f}"
    found = (f"{error:.2g}", spread, *ratios, kept, f"{seconds:.1f}", statuses)
    return "| " + " | ".join((*cells, *found)) + " |"


def tuned(case: Case, setting: tuple[tuple[int, ...], str, float]) -> AbstractModel:
    """A model of the grid."""
    hidden, activation, tolerance = setting
    return case.family(hidden=hidden, activation=activation, tolerance=tolerance)


def fit(model: AbstractModel, part: Part, seed: int = 0, budget: float | None = None) -> tuple[AbstractModel | None, float, str]:
    """Fit, and give the model with the processor's seconds and how it ended; None where it failed."""
    began = clock.process_time()
    try:
        model.fit(part.ds, seed=seed, time_budget=budget)
    except PhysodeError as error:
        return None, clock.process_time() - began, type(error).__name__
    return model, clock.process_time() - began, model.result_.status


def error_of(model: AbstractModel | None, part: Part) -> float:
    """Root mean square error after the first measurements, in standard deviations of each state."""
    if model is None:
        return np.inf
    names = state_names(part.ds)
    guess = values(model.predict(part.ds, warmup=part.warmup), names)
    scale = np.nanstd(part.truth, axis=(0, 1))
    square = ((guess - part.truth) / scale)[:, part.warmup :] ** 2
    lost = ~np.isfinite(square) & np.isfinite(part.truth[:, part.warmup :])
    return float(np.sqrt(np.nanmean(np.where(lost, np.inf, square))))


def make(case: Case) -> tuple[Part, Part, Part]:
    """Simulate the three parts of a case."""
    draws = np.random.default_rng(1)
    if case.trajectories == 1:
        return single(case, draws)
    count = 2 * case.trajectories + 10
    grid = np.linspace(0.0, case.span, case.points)
    if case.irregular:
        inner = np.sort(draws.uniform(0.0, case.span, (count, case.points - 1)), axis=1)
        grid = np.concatenate([np.zeros((count, 1)), inner], axis=1)
    truth = systems.get(case.system, **case.parameters).simulate(grid, n_trajectories=count, seed=0)
    n = case.trajectories
    rows = (slice(0, n), slice(n, 2 * n), slice(2 * n, count))
    train, validation, test = (part(case, truth.isel(trajectory=rows_), draws) for rows_ in rows)
    return train, validation, test


def single(case: Case, draws: np.random.Generator) -> tuple[Part, Part, Part]:
    """One trajectory: the first stretch is for fitting, and what follows is cut into shorter ones for validation, and then for test."""
    step = case.span / (case.points - 1)
    piece = min(case.points, 100)
    n_pieces = 5
    total = case.points + 2 * n_pieces * piece
    truth = systems.get(case.system, **case.parameters).simulate(step * np.arange(total))
    train = part(case, truth.isel(time=slice(case.points)), draws)
    later = [part(case, cut(truth, case.points + k * n_pieces * piece, piece, n_pieces), draws) for k in range(2)]
    return train, later[0], later[1]


def cut(truth: xr.Dataset, first: int, piece: int, count: int) -> xr.Dataset:
    """Stretches of one trajectory as trajectories, each on its own time from zero."""
    stretches = [truth.isel(time=slice(first + k * piece, first + (k + 1) * piece)) for k in range(count)]
    moved = [s.assign_coords(time=truth["time"][:piece], trajectory=[k]) for k, s in enumerate(stretches)]
    return xr.concat(moved, "trajectory", data_vars="minimal", join="exact")


def part(case: Case, truth: xr.Dataset, draws: np.random.Generator) -> Part:
    """Put a simulated record into the user's units, measure it with noise and gaps, and forget everything else."""
    t = case.clock * times(truth)
    names = list(case.observe)
    exact = np.stack([case.scale.get(s, 1.0) * values(truth, [s])[..., 0] + case.offset.get(s, 0.0) for s in names], axis=-1)
    measured = exact + case.noise * exact.std(axis=(0, 1)) * draws.standard_normal(exact.shape)
    measured[draws.uniform(size=measured.shape) < case.missing] = np.nan
    counts = np.full(len(t), t.shape[1])
    if case.lengths is not None:
        counts = draws.integers(*case.lengths, endpoint=True, size=len(t))
        counts[0] = t.shape[1]
    inputs = {name: list(values(truth, [name])[..., 0]) for name in input_names(truth)}
    roles = {s: role(truth, s) for s in names}
    ds = physode.from_numpy(
        [row[:n] for row, n in zip(t, counts, strict=True)],
        [row[:n] for row, n in zip(measured, counts, strict=True)],
        names,
        inputs=inputs,
        units=case.units or None,
        roles=roles,
    )
    for row, n in zip(exact, counts, strict=True):
        row[n:] = np.nan
    return Part(ds, exact[:, : ds[names[0]].shape[1]], max(5, t.shape[1] // 5))


def role(truth: xr.Dataset, state: str) -> str:
    """Say what a state is, as a user would."""
    attrs = truth[state].attrs
    return f"{attrs['role']} of {attrs['time_derivative_of']}" if "time_derivative_of" in attrs else str(attrs["role"])


def page(rows: list[str], grid: tuple[tuple[tuple[int, ...], str, float], ...]) -> str:
    """Lay the table out."""
    one, setting = (sum(float(row.split("|")[1 + column]) <= WITHIN for row in rows) for column in (7, 9))
    return f"""# Defaults

Written by `benchmarks/defaults.py`: `Model().fit(ds)` with no option, beside the best of {len(grid)} settings and the default, chosen on a
validation record. Errors are those of forecasts of held-out records against the noise-free truth, root mean square in standard deviations,
after a model has seen the first fifth of each. A fit of the grid is stopped after {BUDGET:.0f} s.
The default is the median of {len(SEEDS)} seeds, with its spread; the tuned fit is the one that the validation record chose, from seed 0,
and "its setting" the median of as many seeds with the same options. Seconds are the processor's, of a default fit, median, on one thread.
{setting} of {len(rows)} cases are within {WITHIN:g} times of the tuned setting, {one} within {WITHIN:g} times of the one tuned fit.

| {" | ".join(COLUMNS)} |
{"|---" * len(COLUMNS)}|
{chr(10).join(rows)}
"""


if __name__ == "__main__":
    main()
