"""Fit Lotka-Volterra on [0, 10], with and without noise, and forecast to 50."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from physode import models, systems

START = {"x": 1.0, "y": 1.0}


def run(settings: dict[str, Any], model: Any, seed: int) -> dict[str, float]:
    """Return errors against the noise-free truth on the fitted time and beyond it; the seed also draws the noise."""
    system = systems.get("lotka-volterra")
    duration, horizon = settings["duration"], settings["horizon"]
    step = duration / (settings["points"] - 1)
    truth = system.simulate(np.arange(round(horizon / step) + 1) * step, START)

    model.fit(truth.isel(time=slice(settings["points"])), seed=seed)
    clean = _errors(model, truth, duration)
    noisy = system.simulate(np.linspace(0.0, duration, settings["noisy_points"]), START, noise=settings["noise"], seed=seed)
    other = models.get(model.registry_name, **model.get_params()).fit(noisy, seed=seed)
    rough = _errors(other, truth, duration)
    return {
        **clean,
        **{f"noisy_{name}": value for name, value in rough.items() if name.startswith("rmse")},
        "seconds": model.result_.wall_time,
        "noisy_seconds": other.result_.wall_time,
    }


def _errors(model: Any, truth: xr.Dataset, duration: float) -> dict[str, float]:
    """Root mean square and largest errors of a run from the true initial state, per component, fitted and forecast."""
    run_out = model.simulate(START, truth["time"].values)
    error = xr.concat([run_out[name] - truth[name] for name in START], "component").fillna(np.inf)  # of a run that was lost
    inside = error.sel(time=slice(0.0, duration + 1e-9))
    beyond = error.sel(time=slice(duration + 1e-9, None))
    numbers = {}
    for part, values in (("fitted", inside), ("forecast", beyond)):
        numbers[f"rmse_{part}"] = float(np.sqrt((values**2).mean()))
        numbers[f"max_error_{part}"] = float(abs(values).max())
    return numbers
