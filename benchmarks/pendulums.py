"""Pendulum and double pendulum from 20 records of 10 s: how errors grow, and how long a forecast is valid.

Run it from the project's root: ``python benchmarks/pendulums.py [--quick] [--seeds N] [--only KIND] [--hidden N]``. All lengths and masses
are 1. Each record starts at rest from angles within 10 degrees of 90, and holds angles and velocities (for hnn: momenta) every 0.05 s
without noise; ten more trajectories of the same kind, the first of them released at 90 degrees exactly, are forecast from their true first
state. The single pendulum swings, the double one is chaotic at this energy, and its lower rod turns over. "valid" is the time until the
error of the angles exceeds half their standard deviation (`physode.analysis.forecast_error`); the Lyapunov exponent is the true system's.
physode has its defaults, but for a width of the network that is asked for; the peer learns the same kind of field by torchdiffeq and Adam
on random windows, as in torchdiffeq's examples/ode_demo.py, for as long. Medians, least and most are over all forecasts of all seeds.
"calls" are evaluations of the field in training, each on the whole batch; "ratio" is that of the errors after 2 s, before those of the
double pendulum are as large as its motion. Seconds are the processor's.
"""

from __future__ import annotations

import argparse
import os
import time as clock
from collections.abc import Iterable
from dataclasses import dataclass

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import torch
import xarray as xr
from networks import Peer, Plain, SecondOrder, follow, train
from peer import BATCH, LEARNING_RATE, WINDOW
from torch import Tensor, nn
from torchdiffeq import odeint

import physode
from physode import systems
from physode.analysis import forecast_error
from physode.models import AbstractModel
from physode.systems import System
from physode.trajectories import state_names, values

TIME = np.linspace(0.0, 10.0, 201)
RECORDS, FORECASTS = 20, 10
SPREAD = np.deg2rad(10.0)
HORIZONS = (0.5, 1.0, 2.0, 5.0, 10.0)
COMPARED = 2.0
MODELS: dict[str, type[AbstractModel]] = {
    "node": physode.NeuralODE,
    "sonode": physode.SecondOrderNeuralODE,
    "hnn": physode.HamiltonianNeuralODE,
}
KINDS = {"pendulum": ("pendulum", "pendulum-canonical"), "double pendulum": ("double-pendulum-velocity", "double-pendulum")}
"""Each in velocities and in momenta."""


def main() -> None:
    """Print a table for each pendulum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 records in place of 20")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--hidden", type=int, help="units of the one layer that all networks have")
    options = parser.parse_args()
    n_records = 5 if options.quick else RECORDS
    chosen = {} if options.hidden is None else {"hidden": (options.hidden,)}
    torch.set_num_threads(1)
    for kind, (plain, canonical) in KINDS.items():
        if options.only in (None, kind):
            exponent = largest_exponent(systems.get(plain)) if "double" in kind else None
            said = "" if exponent is None else f", largest Lyapunov exponent {exponent:.2f} per second"
            print(f"\n{kind}, {n_records} records{said}; seeds: {options.seeds}, load {os.getloadavg()[0]:.1f}")
            errors = "".join(f"{f'{t:g} s':>9}" for t in HORIZONS)
            print(f"{'':<22}{'':>9}{'median error of the angles [rad] after':^45}{'valid time [s]':>26}")
            print(f"{'fit':<22}{'CPU [s]':>9}{errors}{'median':>10}{'[least, most]':>16}{'ratio':>9}{'calls':>9}  status")
            for name in MODELS:
                show(name, systems.get(canonical if name == "hnn" else plain), n_records, options.seeds, chosen)


@dataclass
class Run:
    """One fit: seconds, evaluations, errors of the angles of shape (forecast, time), valid times, and how it ended."""

    seconds: float
    calls: int
    error: np.ndarray
    valid: np.ndarray
    status: str


def show(name: str, system: System, n_records: int, n_seeds: int, chosen: dict[str, tuple[int]]) -> None:
    """Print physode's model and the peer's."""
    known = simulate(system, n_records, seed=0)
    ahead = simulate(system, FORECASTS, seed=1)
    names = state_names(known)
    start = values(ahead, names)[:, 0]
    ours, theirs = [], []
    for seed in range(n_seeds):
        began = clock.process_time()
        model = MODELS[name](**chosen).fit(known, seed=seed)
        seconds = clock.process_time() - began
        made = model.simulate({s: start[:, k] for k, s in enumerate(names)}, TIME)
        ours.append(Run(seconds, model.result_.nfev, *compare(made, ahead), model.result_.status))
        if name != "hnn":
            peer = make_peer(name, values(known, names), tuple(model.hidden), seed)
            field, steps, calls = next(train(peer, [seconds]))
            states = follow(field, start, TIME)
            made = ahead.copy(data={**{v: ahead[v].values for v in ahead.data_vars}, **{s: states[..., k] for k, s in enumerate(names)}})
            theirs.append(Run(seconds, calls, *compare(made, ahead), f"{steps} steps"))
    base = row(f"physode {name}", ours)
    if theirs:
        row(f"torchdiffeq {name}", theirs, base)


def largest_exponent(system: System) -> float:
    """Lyapunov exponent around the energy of the records."""
    start = values(simulate(system, FORECASTS, seed=1), list(system.states))[:, 0]
    return float(physode.lyapunov_spectrum(system, initial_states=start, duration=100.0).lyapunov_exponent.max())


def simulate(system: System, count: int, seed: int) -> xr.Dataset:
    """Release at rest around 90 degrees; the first forecast at exactly that."""
    draws = np.random.default_rng(seed)
    start = dict.fromkeys(system.states, np.zeros(count))
    for angle in angles_of(system.states):
        start[angle] = np.pi / 2 + SPREAD * draws.uniform(-1.0, 1.0, count)
        if seed == 1:
            start[angle][0] = np.pi / 2
    return system.simulate(TIME, start)


def angles_of(names: Iterable[str]) -> list[str]:
    """The angles among the states."""
    return [name for name in names if name.startswith("theta")]


def compare(made: xr.Dataset, ahead: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Give the largest error of the angles at each time, and the valid times."""
    angles = angles_of(state_names(ahead))
    error = np.abs(values(made, angles) - values(ahead, angles)).max(axis=2)
    kept = made[angles].assign_coords(ahead[angles].coords)
    return np.where(np.isfinite(error), error, np.inf), forecast_error(kept, ahead[angles]).valid_time.values


def row(said: str, runs: list[Run], base: float | None = None) -> float:
    """Print one row; give the error that ratios are taken of."""
    error, valid = np.concatenate([run.error for run in runs]), np.concatenate([run.valid for run in runs])
    medians = [float(np.median(error[:, np.argmin(np.abs(TIME - t))])) for t in HORIZONS]
    compared = medians[HORIZONS.index(COMPARED)]
    spread = f"[{valid.min():.2g}, {valid.max():.2g}]"
    seconds, calls = (np.median([getattr(run, name) for run in runs]) for name in ("seconds", "calls"))
    cells = "".join(f"{value:>9.1e}" for value in medians) + f"{np.median(valid):>10.2f}{spread:>16}{compared / (base or compared):>9.1f}"
    print(f"{said:<22}{seconds:>9.1f}{cells}{calls:>9.0f}  {', '.join(dict.fromkeys(run.status for run in runs))}", flush=True)
    return compared


def make_peer(name: str, states: np.ndarray, hidden: tuple[int, ...], seed: int) -> Peer:
    """Random windows of random records."""
    torch.manual_seed(seed)
    draws = np.random.default_rng(seed)
    network = (SecondOrder if name == "sonode" else Plain)(states.shape[2], hidden, nn.Tanh)
    t = torch.from_numpy(TIME[:WINDOW])

    def loss(field: nn.Module) -> Tensor:
        which, first = draws.integers(len(states), size=BATCH), draws.integers(len(TIME) - WINDOW, size=BATCH)
        target = torch.from_numpy(np.stack([states[which, first + k] for k in range(WINDOW)]))
        return (odeint(field, target[0], t) - target).abs().mean()

    return Peer(network, loss, LEARNING_RATE)


if __name__ == "__main__":
    main()
