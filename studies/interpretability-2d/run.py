"""Fit two damped sinusoids from positions alone, and compare what stands beside the positions with the true velocity."""

from __future__ import annotations

from typing import Any

import numpy as np

import physode
from physode import systems


def run(settings: dict[str, Any], model: Any, seed: int) -> dict[str, float]:
    """Return mean square errors of positions and of the recovered velocities, per coordinate, and the seconds of the fit."""
    time = np.linspace(0.0, settings["duration"], settings["points"])
    record = systems.get("damped-sinusoids").simulate(time, observe=["x", "y"])
    model.fit(record, seed=seed)
    prediction = model.predict(record)
    found = physode.recovered_velocity(model, record).swap_dims(state="position").set_coords("position")
    numbers = {}
    for name in ("x", "y"):
        error = (prediction[name] - record[name]).fillna(np.inf)  # of a run that was lost
        numbers[f"position_mse_{name}"] = float((error**2).mean())
        numbers[f"velocity_mse_{name}"] = float(found["rmse"].sel(position=name)) ** 2
    return numbers | {"seconds": model.result_.wall_time}
