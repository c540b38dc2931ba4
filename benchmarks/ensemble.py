"""Sixteen seeds of one model as one batch, beside one of them alone.

Run it from the project's root: ``python benchmarks/ensemble.py [--seeds N] [--quick]``. Lotka-Volterra, 101 points without noise and 41
with noise, by the default model and by one of half its width. Seconds of the processor and of the clock on one thread, and on all cores,
with the ratio of each to one fit; evaluations of the field, each for the whole batch; and how far the members are from the fits alone.
Where torch finds a graphics card, 256 members are fitted on it and on the processor.
"""

from __future__ import annotations

import argparse
import os
import time as clock
from collections.abc import Callable

import numpy as np
import torch
import xarray as xr

import physode
from physode import systems
from physode.trajectories import add_noise

START = {"x": 1.0, "y": 1.0}
NOISE = 0.1
ALONE = 5
ON_CARD = 256


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="once")
    options = parser.parse_args()
    system = systems.get("lotka-volterra")
    clean = system.simulate(np.linspace(0, 10, 101), START)
    noisy = add_noise(system.simulate(np.linspace(0, 10, 41), START), NOISE, seed=0)
    physode.NeuralODE(hidden=(4,), max_iterations=2).fit(clean)  # what the first fit of a process costs is no part of it
    print(f"{'fit':<34}{'threads':>8}{'CPU [s]':>20}{'wall [s]':>20}{'ratios':>12}{'calls':>7}{'load':>6}")
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        for name, record, hidden in (("2-32-2", clean, (32,)), ("2-16-2", clean, (16,)), ("2-32-2, noisy", noisy, (32,))):
            compare(name, record, hidden, threads, options.seeds, 1 if options.quick else 3)
    if torch.cuda.is_available():
        on_card(clean, 8 if options.quick else ON_CARD)


def on_card(record: xr.Dataset, seeds: int) -> None:
    """Fit one seed and many on a graphics card and on the processor."""
    physode.NeuralODE(hidden=(4,), max_iterations=2, device="cuda").fit(record)
    fits = {}
    for device, threads in (("cpu", 1), ("cpu", os.cpu_count() or 1), ("cuda", 1)):
        torch.set_num_threads(threads)
        one, alone = timed(lambda device=device: {0: physode.NeuralODE(device=device).fit(record)})
        row(f"2-32-2 on {device}: one seed alone", threads, [alone], [alone], one)
        fits[device], spent = timed(lambda device=device: physode.fit_seeds(physode.NeuralODE(device=device), record, seeds))
        row(f"2-32-2 on {device}: {seeds} seeds as one batch", threads, [spent], [alone], fits[device])
    some = {seed: fits["cpu"][seed] for seed in range(min(ALONE, seeds))}
    print(f"    largest difference of a run along the record, {len(some)} of them: {difference(fits['cuda'], some, record):.1e}")


def compare(name: str, record: xr.Dataset, hidden: tuple[int, ...], threads: int, seeds: int, repeats: int) -> None:
    """Fit some seeds alone, and all of them as one batch."""
    models, alone = {}, []
    for seed in range(ALONE):
        models[seed], spent = timed(lambda seed=seed: physode.NeuralODE(hidden=hidden).fit(record, seed=seed))
        alone.append(spent)
    row(f"{name}: one seed alone", threads, alone, alone, models)
    both = [timed(lambda: physode.fit_seeds(physode.NeuralODE(hidden=hidden), record, seeds)) for _ in range(repeats)]
    row(f"{name}: {seeds} seeds as one batch", threads, [spent for _, spent in both], alone, both[0][0])
    print(f"    largest difference of a run along the record: {difference(both[0][0], models, record):.1e}")


def timed(fit: Callable[[], object]) -> tuple[object, tuple[float, float]]:
    """Run a fit; give what it gives with seconds of the processor and of the clock."""
    processor, wall = clock.process_time(), clock.perf_counter()
    found = fit()
    return found, (clock.process_time() - processor, clock.perf_counter() - wall)


def difference(members: dict[int, physode.NeuralODE], alone: dict[int, physode.NeuralODE], record: xr.Dataset) -> float:
    """Largest difference between the runs of members and of the same seeds fitted alone."""
    runs = [(members[seed].predict(record), alone[seed].predict(record)) for seed in alone if seed in members]
    return max(float(abs(ours[name] - theirs[name]).max()) for ours, theirs in runs for name in ("x", "y"))


def row(
    name: str, threads: int, spent: list[tuple[float, float]], alone: list[tuple[float, float]], found: dict[int, physode.NeuralODE]
) -> None:
    """Print median, least and most of the seconds, the ratio of the medians to one fit, and the median of the evaluations."""
    cells = ""
    for column in (0, 1):
        seconds = [each[column] for each in spent]
        cells += f"{np.median(seconds):>8.2f} [{min(seconds):.2f}, {max(seconds):.2f}]".rjust(20)
    ratio = np.median(spent, axis=0) / np.median(alone, axis=0)
    calls = np.median([model.result_.nfev for model in found.values()])
    print(f"{name:<34}{threads:>8}{cells}{ratio[0]:>6.1f}{ratio[1]:>6.1f}{calls:>7.0f}{os.getloadavg()[0]:>6.1f}", flush=True)


if __name__ == "__main__":
    main()
