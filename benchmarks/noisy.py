"""Lotka-Volterra from few noisy points: the general field, and the Hamiltonian one in logarithms.

python benchmarks/noisy.py [--seeds 10] [--first 0] [--models general structured separable]

41 points on [0, 10] of (2/3, 4/3, 1, 1) from (1, 1), noise of standard deviation 0.1, a new draw with each seed. The errors are those of
the noise-free truth on [0, 10] and on (10, 50], root mean square per component: once from the fitted initial state, which is what a user's
prediction starts from, and once from the exact one, which the fit was not told. "calls" are evaluations of the field. One thread. A
published Julia implementation reached 0.051 and 0.177 on its one draw.
"""

from __future__ import annotations

import argparse
import time as clock
from collections.abc import Callable

import numpy as np
import torch
import xarray as xr

import physode
from physode import systems
from physode.models import AbstractModel

START = {"x": 1.0, "y": 1.0}
MODELS: dict[str, tuple[str, Callable[[], AbstractModel]]] = {
    "general": ("NeuralODE()", physode.NeuralODE),
    "structured": ("HamiltonianNeuralODE(coordinates='log')", lambda: physode.HamiltonianNeuralODE(coordinates="log")),
    "separable": (
        "HamiltonianNeuralODE(coordinates='log', separable=True)",
        lambda: physode.HamiltonianNeuralODE(coordinates="log", separable=True),
    ),
}
COLUMNS = ("free [0, 10]", "free (10, 50]", "exact [0, 10]", "exact (10, 50]", "seconds", "calls")
"""Errors, seconds of the processor, and evaluations of the field."""


def main() -> None:
    """Fit each model to each draw and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    truth = systems.get("lotka-volterra").simulate(np.linspace(0.0, 50.0, 201), START)
    for which in options.models:
        name, make = MODELS[which]
        print(f"{name}\n{'noise':>7} " + " ".join(f"{column:>15}" for column in COLUMNS), flush=True)
        rows = []
        for seed in range(options.first, options.first + options.seeds):
            rows.append(score(make(), truth, seed))
            show(str(seed), rows[-1])
        for label, summary in (("median", np.median), ("least", np.min), ("most", np.max)):
            show(label, summary(np.array(rows), axis=0))


def score(model: AbstractModel, truth: xr.Dataset, seed: int) -> list[float]:
    """Fit one draw; the numbers of `COLUMNS`."""
    record = systems.get("lotka-volterra").simulate(np.linspace(0.0, 10.0, 41), START, noise=0.1, seed=seed)
    record["y"].attrs["conjugate_to"] = "x"
    began = clock.process_time()
    model.fit(record)
    seconds = clock.process_time() - began
    longer = record.reindex(time=truth["time"], method="nearest", tolerance=1e-9)
    numbers: list[float] = []
    for run in (model.predict(longer), model.simulate(START, truth["time"].values)):
        error = np.stack([(run[name] - truth[name]).values[0] for name in START])
        numbers += [float(np.sqrt(np.mean(part**2))) for part in (error[:, :41], error[:, 41:])]
    return [*numbers, seconds, model.result_.nfev]


def show(label: str, numbers: list[float]) -> None:
    """Print one row."""
    print(f"{label:>7} " + " ".join(f"{number:>15.4g}" for number in numbers[:-1]) + f"{numbers[-1]:>16.0f}", flush=True)


if __name__ == "__main__":
    main()
