"""`make bench`: physode and the peers' tutorial fit, the same record, the same network, the same wall time and ten times as much.

Lotka-Volterra (2/3, 4/3, 1, 1) from (1, 1): 101 noise-free points on [0, 10] are learned, (10, 50] is forecast, on one thread. A published
Julia implementation reaches a root mean square error of 4.8e-3 and 8.5e-3.
"""

from __future__ import annotations

import argparse
import time as clock

import numpy as np
import peer
import torch
import xarray as xr

import physode
from physode import systems

LEARNED = 101


def main() -> None:
    """Fit both for each seed and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    time = np.linspace(0.0, 50.0, 501)
    start = {"x": 1.0, "y": 1.0}
    truth = systems.get("lotka-volterra", alpha=2 / 3, beta=4 / 3, delta=1.0, gamma=1.0).simulate(time, start)
    record = truth.isel(time=slice(LEARNED))
    wanted = table(truth)
    print(f"{'seed':>4} {'fit':<30} {'seconds':>8} {'RMSE [0, 10]':>14} {'RMSE (10, 50]':>14}")
    for seed in range(seeds):
        began = clock.perf_counter()
        model = physode.NeuralODE().fit(record, seed=seed)
        seconds = clock.perf_counter() - began
        show(seed, "physode.NeuralODE()", seconds, table(model.simulate(start, time)) - wanted)
        for allowed in (seconds, 10 * seconds):
            field, steps = peer.fit(time[:LEARNED], wanted[:LEARNED], tuple(model.hidden), allowed, seed)
            show(seed, f"torchdiffeq, {steps} Adam steps", allowed, peer.forecast(field, wanted[0], time) - wanted)


def table(record: xr.Dataset) -> np.ndarray:
    """Give the states as an array of shape (time, state)."""
    return np.stack([np.asarray(record[name]).squeeze() for name in ("x", "y")], axis=-1)


def show(seed: int, name: str, seconds: float, error: np.ndarray) -> None:
    """Print one row."""
    near, far = (np.sqrt(np.mean(part**2)) for part in (error[:LEARNED], error[LEARNED:]))
    print(f"{seed:>4} {name:<30} {seconds:>8.1f} {near:>14.2e} {far:>14.2e}", flush=True)


if __name__ == "__main__":
    main()
