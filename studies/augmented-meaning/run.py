"""Fit a pendulum's angle twice from different seeds, and ask what the hidden state is and whether both fits found the same one."""

from __future__ import annotations

from typing import Any

import numpy as np

from physode import analysis, systems


def run(settings: dict[str, Any], model: Any, seed: int) -> dict[str, float]:
    """Return R2 of the true velocity from the hidden state, as it is and mapped, and the agreement with a fit from another seed."""
    time = np.linspace(0.0, settings["duration"], settings["points"])
    record = systems.get("pendulum").simulate(time, n_trajectories=settings["trajectories"], observe=["theta"], seed=0)
    other = type(model)(**model.get_params())
    model.fit(record, seed=seed)
    other.fit(record, seed=settings["other_seeds_from"] + seed)
    velocity = analysis.augmented_velocity(model, record).squeeze("state")
    scores = [model.score(record), other.score(record)]
    pair = analysis.latent_agreement({0: model, 1: other}, record).sel(seed=0, other_seed=1)
    pair = pair.where(bool(np.isfinite(scores).all()))  # of a run that was lost it compares what is there
    hidden, whole = velocity.sel(part="latent states"), velocity.sel(part="all states")
    return {
        "position_r2": scores[0],
        "velocity_correlation": float(velocity["correlation"]),
        "velocity_r2": float(velocity["r2_direct"]),
        "r2_linear_hidden": float(hidden["r2_linear"]),
        "r2_smooth_hidden": float(hidden["r2_smooth"]),
        "r2_linear": float(whole["r2_linear"]),
        "r2_smooth": float(whole["r2_smooth"]),
        "seeds_difference": float(pair["difference"]),
        "seeds_procrustes": float(pair["procrustes"]),
        "seeds_canonical_correlation": float(pair["canonical_correlation"].sel(component=1)),
        "seeds_r2_linear": float(pair["r2_linear"]),
        "seconds": model.result_.wall_time,
    }
