"""Fit a double pendulum at small angles from 26 points, and run it 80 times longer."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from physode import systems

ANGLES = ("theta1", "theta2")
FINAL_SECONDS = 10.0


def run(settings: dict[str, Any], model: Any, seed: int) -> dict[str, float]:
    """Return the largest deviation of the true energy along the learned motion, and angle errors (rad)."""
    system = systems.get("double-pendulum", gravity=settings["gravity"])
    start = {"theta1": settings["angle"], "theta2": -settings["angle"], "p1": 0.0, "p2": 0.0}
    step = settings["duration"] / (settings["points"] - 1)
    truth = system.simulate(np.arange(round(settings["horizon"] / step) + 1) * step, start)

    model.fit(truth.isel(time=slice(settings["points"])), seed=seed)
    learned = model.simulate(start, truth["time"].values)
    energy = system.energy(np.stack([learned[name].values[0] for name in system.states], axis=-1))
    change = abs(energy - energy[0])
    error = xr.concat([learned[name] - truth[name] for name in ANGLES], "angle").fillna(np.inf)  # of a run that was lost
    end = error.sel(time=slice(settings["horizon"] - FINAL_SECONDS, None))
    return {
        "energy_drift": float(np.where(np.isfinite(change), change, np.inf).max()),
        "theta_rmse_fitted": float(np.sqrt((error.isel(time=slice(settings["points"])) ** 2).mean())),
        "theta_rmse_end": float(np.sqrt((end**2).mean())),
        "seconds": model.result_.wall_time,
    }
