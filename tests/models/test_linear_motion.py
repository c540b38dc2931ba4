"""A network that is free to bend finds a linear law where the motion is linear and the record noisy."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import physode
from physode import systems

TIME = np.linspace(0.0, 6.0, 60)


def oscillator(draw: int) -> xr.Dataset:
    return systems.get("damped-oscillator").simulate(TIME, {"x": 1.0, "v": 0.0}, observe=["x"], noise=0.01, seed=draw)


@pytest.mark.parametrize("draw", range(3))
def test_the_network_forecasts_as_the_linear_law_does(draw: int) -> None:
    truth = systems.get("damped-oscillator").simulate(np.linspace(0.0, 20.0, 201), {"x": -0.6, "v": 0.5})
    runs = []
    for hidden in ((), (4,)):
        model = physode.SecondOrderNeuralODE(hidden=hidden).fit(oscillator(draw), seed=draw)
        runs.append(model.simulate({"x": -0.6, "v": 0.5}, truth["time"].values)["x"])
    apart, wrong = (float(np.sqrt(((runs[1] - other) ** 2).mean())) for other in (runs[0], truth["x"]))
    assert apart < 0.002
    assert wrong < 0.03


def test_motion_that_short_windows_take_for_linear_is_bent_by_longer_ones() -> None:
    ds = systems.get("pendulum").simulate(np.linspace(0.0, 10.0, 60), n_trajectories=3, observe=["theta"], noise=0.05, seed=2)
    model = physode.SecondOrderNeuralODE().fit(ds.drop_vars("theta_noise_std"))
    assert model.result_.noise_std["theta"] == pytest.approx(0.05, rel=0.2)  # 0.13 by the linear law
    assert float(((model.predict(ds)["theta"] - ds["theta_true"]) ** 2).mean()) < 0.02**2


def test_a_network_that_is_missed_in_long_windows_only_is_woken_there() -> None:
    """Its law is good enough for windows of three and nine intervals, and leaves 1.4 times the noise in the whole record."""
    time = np.linspace(0.0, 8.0, 60)
    exact = systems.get("pendulum").simulate(time, n_trajectories=3, observe=["theta"], seed=3)
    noise = 0.1 * float(exact["theta"].std())
    noisy = exact.assign(theta=exact["theta"] + noise * np.random.default_rng(303).standard_normal((3, 60)))
    noisy["theta"].attrs |= exact["theta"].attrs
    model = physode.SecondOrderNeuralODE().fit(noisy)
    assert model.result_.success and model.result_.noise_std["theta"] == pytest.approx(noise, rel=0.15)
    error = model.predict(noisy)["theta"] - exact["theta"]
    assert float((error**2).mean()) < (0.3 * noise) ** 2
