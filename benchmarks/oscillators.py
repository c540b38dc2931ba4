"""Damped oscillators: physode's models beside the peers' at the same time and ten times as much, on trajectories that nobody saw.

Run it from the project's root: ``python benchmarks/oscillators.py [--quick] [--seeds N]``. 30 oscillators x'' = -0.2 x' - 1.01 x from
positions and velocities in +-2.5, 100 times on [0, 10], no noise, as in Norcliffe et al. 2020 (arXiv:2006.07220); 30 more are held out.
First positions and velocities are given, then positions alone. The peers are that paper's: torchdiffeq's dopri5 at tolerances of 1e-3,
Adam(1e-2) on the full batch, 2-20-20 ELU, one augmented state that starts at zero; physode has its defaults but for one augmented state.
From positions alone, physode estimates the first velocity of a held-out trajectory from its first ten positions; the second-order peer is
told it, there and in training.
Errors are those of all later times, root mean square in standard deviations. "calls" are evaluations of the field in training, each on the
whole batch; ratios are those of the errors. Seconds are the processor's, on one thread.
"""

from __future__ import annotations

import argparse
import os
import time as clock
from collections.abc import Callable

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import torch
import xarray as xr
from networks import Peer, Plain, SecondOrder, follow, train
from torch import Tensor, nn
from torchdiffeq import odeint

import physode
from physode import systems
from physode.models import AbstractModel
from physode.trajectories import values

TIME = np.linspace(0.0, 10.0, 100)
COUNT, SEEN = 30, 10
HIDDEN, TOLERANCE, LEARNING_RATE = (20, 20), 1e-3, 1e-2
MODELS: dict[str, Callable[[], AbstractModel]] = {
    "node": physode.NeuralODE,
    "anode": lambda: physode.AugmentedNeuralODE(n_augmented=1),
    "sonode": physode.SecondOrderNeuralODE,
}


def main() -> None:
    """Print a table for each kind of record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, and the peers at the same time only")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    seeds = range(1 if options.quick else options.seeds)
    factors = (1,) if options.quick else (1, 10)
    torch.set_num_threads(1)
    system = systems.get("damped-oscillator", gamma=0.2, omega=np.sqrt(1.01))
    both = system.simulate(TIME, n_trajectories=2 * COUNT, seed=0)
    for names, said in ((["x", "v"], "positions and velocities"), (["x"], "positions alone")):
        print(f"\n{said}; medians over {len(seeds)} seeds, load {os.getloadavg()[0]:.1f}")
        print(f"{'fit':<36}{'CPU [s]':>9}{'held-out error':>16}{'[least, most]':>22}{'ratio':>9}{'calls':>9}")
        for name in MODELS:
            show(name, both, names, seeds, factors)


def show(name: str, both: xr.Dataset, names: list[str], seeds: range, factors: tuple[int, ...]) -> None:
    """Print physode's model and the peer's."""
    exact = values(both, ["x", "v"])
    truth = exact[COUNT:, SEEN:, : len(names)]
    ours, theirs = [], []
    for seed in seeds:
        began = clock.process_time()
        model = MODELS[name]().fit(both[names].isel(trajectory=slice(COUNT)), seed=seed)
        seconds = clock.process_time() - began
        guess = values(model.predict(both[names].isel(trajectory=slice(COUNT, None)), warmup=SEEN), names)[:, SEEN:]
        ours.append((seconds, error_of(guess, truth), model.result_.nfev))
        peer, start = make_peer(name, exact, len(names), seed)
        for factor, (field, steps, calls) in zip(factors, train(peer, [factor * seconds for factor in factors]), strict=True):
            found = follow(field, start[COUNT:], TIME)[:, SEEN:, : len(names)]
            theirs.append((factor, factor * seconds, error_of(found, truth), calls, steps))
    all_ours = np.array(ours)
    base = float(np.median(all_ours[:, 1]))
    row(f"physode {name}", all_ours, base)
    for factor in factors:
        some = np.array([entry[1:] for entry in theirs if entry[0] == factor])
        row(f"torchdiffeq {name}, {np.median(some[:, 3]):.0f} Adam steps", some, base)


def row(said: str, runs: np.ndarray, base: float) -> None:
    """Print one row: seconds, error and evaluations of each seed."""
    seconds, errors, calls = runs.T[:3]
    spread = f"[{errors.min():.2g}, {errors.max():.2g}]"
    ratio = np.median(errors) / base
    print(f"{said:<36}{np.median(seconds):>9.1f}{np.median(errors):>16.2e}{spread:>22}{ratio:>9.1f}{np.median(calls):>9.0f}", flush=True)


def error_of(guess: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square error in standard deviations."""
    scale = truth.std(axis=(0, 1))
    return float(np.sqrt(np.mean(((guess - truth) / scale) ** 2)))


def make_peer(name: str, exact: np.ndarray, n_observed: int, seed: int) -> tuple[Peer, np.ndarray]:
    """Give the paper's model, and the first states of all trajectories as it knows them."""
    torch.manual_seed(seed)
    start = exact[:, 0, :n_observed]
    if name == "sonode":
        start = exact[:, 0]
    elif name == "anode":
        start = np.concatenate([start, np.zeros((len(start), 1))], axis=1)
    start = np.ascontiguousarray(start)
    network = (SecondOrder if name == "sonode" else Plain)(start.shape[1], HIDDEN, nn.ELU)
    first, target, t = torch.from_numpy(start[:COUNT]), torch.from_numpy(exact[:COUNT, :, :n_observed]), torch.from_numpy(TIME)

    def loss(field: nn.Module) -> Tensor:
        states = odeint(field, first, t, rtol=TOLERANCE, atol=TOLERANCE).transpose(0, 1)
        return (states[..., :n_observed] - target).square().mean()

    return Peer(network, loss, LEARNING_RATE), start


if __name__ == "__main__":
    main()
