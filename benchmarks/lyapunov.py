"""What a Lyapunov spectrum costs: of a network beside its plain integration, and of Lorenz' system to a standard error of 0.005.

Run it from the project's root: ``python benchmarks/lyapunov.py [--quick]``. First a 3-64-64-3 tanh network: all three exponents beside
the plain integration, the same Runge-Kutta 4, the same length and the same batch, in turns. Then the time to the standard error.
Times are the processor's, on one thread.
"""

from __future__ import annotations

import argparse
import time as clock
from collections.abc import Callable

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import physode
from physode import systems
from physode.analysis.tangents import TangentStepper

HIDDEN, STEP, GOAL = (64, 64), 0.01, 0.005


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps and repeats, for a look")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    with threadpool_limits(1):
        show_networks(quick)
        show_lorenz()


def show_networks(quick: bool) -> None:
    """Print a row for each batch."""
    model = network()
    print(f"{'batch':>6} {'plain [ms/step]':>16} {'tangents [ms/step]':>19} {'spectrum [ms/step]':>19} {'spectrum : plain':>17}")
    for batch, n_steps in ((1, 4000), (64, 1000), (512, 200)):
        show_network(model, batch, n_steps // 4 if quick else n_steps, 3 if quick else 7)


def network() -> physode.NeuralODE:
    """Fit a 3-64-64-3 network to Lorenz' system, just far enough to move like it."""
    record = systems.get("lorenz").simulate(np.arange(0.0, 4.0, 0.02), n_trajectories=8, seed=0)
    return physode.NeuralODE(hidden=HIDDEN, optimizer="adam", max_iterations=1).fit(record, seed=0, time_budget=20.0)


def show_network(model: physode.NeuralODE, batch: int, n_steps: int, repeats: int) -> None:
    """Print one row; the best of several turns, each of which times all three."""
    start, length = model.sample_states(batch, 0), n_steps * STEP
    tangents = np.broadcast_to(np.eye(3), (batch, 3, 3))

    def spectrum() -> None:
        physode.lyapunov_spectrum(model, initial_states=start, step=STEP, duration=length, transient=0.0)

    runs: tuple[Callable[[], None], ...] = (
        lambda: TangentStepper(model, start, tangents[:, :0]).advance(STEP, n_steps),
        lambda: TangentStepper(model, start, tangents).advance(STEP, n_steps),
        spectrum,
    )
    best = [min(times) for times in zip(*([seconds(run) for run in runs] for _ in range(repeats)), strict=True)]
    plain, along, whole = (1e3 * value / n_steps for value in best)
    print(f"{batch:>6} {plain:>16.3f} {along:>19.3f} {whole:>19.3f} {whole / plain:>17.2f}", flush=True)


def show_lorenz() -> None:
    """Print the time of a run with the defaults, and whether it reaches the goal."""
    system = systems.get("lorenz")
    physode.lyapunov_spectrum(system, duration=1.0, transient=0.0)  # compile before the clock starts
    began = clock.process_time()
    found = physode.lyapunov_spectrum(system)
    took = clock.process_time() - began
    pairs = zip(found.lyapunov_exponent.values, found.standard_error.values, strict=True)
    values = ", ".join(f"{value:.4f}({error:.4f})" for value, error in pairs)
    said = "reached" if float(found.standard_error.max()) <= GOAL else "missed"
    print(f"lorenz, {found.n_trajectories} trajectories of {found.duration:.0f}: {values}")
    print(f"{took:.1f} s; a standard error of {GOAL} is {said}")


def seconds(run: Callable[[], None]) -> float:
    """Time one run."""
    began = clock.process_time()
    run()
    return clock.process_time() - began


if __name__ == "__main__":
    main()
