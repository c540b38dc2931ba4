"""Fitted models: they beat the baselines, know what they do not know, and fail backward in time where a multiplier says so."""

from __future__ import annotations

import numpy as np
import pytest

import physode
from physode import systems
from physode.analysis import baselines, coverage, forecast_error, periodic_orbit, prediction_band
from physode.trajectories import add_noise

pytestmark = pytest.mark.slow


def test_a_fitted_model_beats_every_baseline() -> None:
    system, time = systems.get("lotka-volterra"), np.linspace(0, 12, 61)
    train, test = (
        add_noise(system.simulate(time, n_trajectories=n, seed=100 * n), {"x": 0.015, "y": 0.012}, seed=n).drop_vars(
            ["x_noise_std", "y_noise_std"]
        )
        for n in (8, 20)
    )
    simple = baselines(train, test, warmup=15)
    found = forecast_error(physode.NeuralODE().fit(train, seed=0), test, warmup=15)
    assert float(found.median_valid_time) == pytest.approx(9.2)  # all of it
    assert float(simple.median_valid_time.max()) < 6.0
    assert (found.smape < 0.2 * simple.smape.min("model")).all()
    assert (found.nrmse.isel(time=-1) < 0.2 * simple.nrmse.isel(time=-1).min("model")).all()


def test_a_fit_to_one_noisy_orbit_attracts_where_the_truth_does_not_and_is_lost_backward() -> None:
    system = systems.get("lotka-volterra")
    orbit = system.simulate(np.linspace(0, 20, 101), {"x": 1.0, "y": 1.0})  # as in docs/analysis.md
    model = physode.NeuralODE().fit(add_noise(orbit, 0.1, seed=0), seed=0)
    learned, true = periodic_orbit(model, [1.0, 1.0], settle=20.0), periodic_orbit(system, [1.0, 1.0])
    np.testing.assert_allclose(true.multiplier_real, 1.0, atol=1e-4)
    assert float(learned.multiplier_real[1]) < 0.41
    assert float(forecast_error(model, orbit, backward=True).nrmse.max()) > 0.5
    assert float(forecast_error(system, orbit, backward=True).nrmse.max()) < 1e-6
    assert float(forecast_error(model, orbit, start=0.0).nrmse.max()) < 0.5


def test_bands_of_velocities_that_were_never_measured_cover_them() -> None:
    system, time = systems.get("pendulum"), np.linspace(0.0, 8.0, 61)
    train, test = (system.simulate(time, n_trajectories=n, observe=["theta"], noise=0.03, seed=seed) for n, seed in ((8, 100), (60, 900)))
    ensemble = physode.Ensemble(physode.SecondOrderNeuralODE()).fit(train.drop_vars("theta_noise_std"), seed=0)
    found = coverage(prediction_band(ensemble, test, warmup=15), test)
    assert found.state.values.tolist() == ["theta", "omega"]
    assert 0.85 <= float(found.coverage.sel(state="omega")) <= 0.95  # measured 0.916, standard error 0.021
