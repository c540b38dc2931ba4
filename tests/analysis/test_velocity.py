"""Recovered velocities, of stand-in models whose error is known."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_standins import Fitted

from physode import systems
from physode.analysis import recovered_velocity
from physode.analysis.maps import linear_map
from physode.errors import DataError

TIME = np.linspace(0, 10, 101)


@pytest.fixture
def pendulum():
    return systems.get("pendulum")


@pytest.fixture
def record(pendulum):
    return pendulum.simulate(TIME, n_trajectories=4, observe=["theta"], noise=0.02, seed=1)


def test_velocity_of_a_second_order_model_is_compared_directly(pendulum, record):
    theta, omega = record.theta_true.values, record.omega_true.values
    made = Fitted(
        pendulum,
        {"theta": (theta, {"role": "position"}), "omega": (omega + 0.1, {"role": "velocity", "time_derivative_of": "theta"})},
    )
    found = recovered_velocity(made, record, warmup=5)
    assert made.warmup == 5
    assert found.attrs["recovered_from"] == "velocity"
    assert found.state.values.tolist() == ["omega"]
    assert found.position.values.tolist() == ["theta"]
    assert found.units.values.tolist() == ["rad s-1"]
    assert found.correlation.item() == pytest.approx(1.0, abs=1e-12)
    assert found.rmse.item() == pytest.approx(0.1, rel=1e-9)
    assert found.nrmse.item() == pytest.approx(0.1 / omega.std(), rel=1e-9)
    assert found.r2_linear.item() == pytest.approx(1.0, abs=1e-12)
    assert found.rmse_linear.item() < 1e-12
    np.testing.assert_array_equal(found.omega_true, omega)
    np.testing.assert_allclose(found.omega_recovered, omega + 0.1)
    np.testing.assert_allclose(found.omega_linear, omega, atol=1e-12)
    assert found.time.equals(record.time)
    assert found.omega_recovered.attrs["units"] == "rad s-1"


def test_augmented_state_carries_the_velocity_without_being_it(pendulum, record):
    theta, omega = record.theta_true.values, record.omega_true.values
    made = Fitted(pendulum, {"theta": (theta, {"role": "position"}), "augmented_1": (3 * theta - 7 * omega + 2, {"role": "augmented"})})
    found = recovered_velocity(made, record)
    assert found.attrs["recovered_from"] == "augmented state"
    assert found.r2_linear.item() == pytest.approx(1.0, abs=1e-12)
    assert found.correlation.item() < -0.8
    assert found.rmse.item() == pytest.approx(np.sqrt(np.mean((3 * theta - 8 * omega + 2) ** 2)), rel=1e-9)
    useless = Fitted(pendulum, {"theta": (theta, {"role": "position"}), "augmented_1": (theta**2, {"role": "augmented"})})
    assert recovered_velocity(useless, record).r2_linear.item() < 0.2


def test_a_prediction_that_is_lost_is_no_good_velocity(pendulum, record):
    theta, omega = record.theta_true.values, record.omega_true.values.copy()
    for gone in (np.nan, np.inf):
        omega[2, 10:] = gone
        made = Fitted(pendulum, {"theta": (theta, {}), "omega": (omega, {"time_derivative_of": "theta"})})
        found = recovered_velocity(made, record)
        assert [float(found[name][0]) for name in ("rmse", "nrmse", "rmse_linear", "r2_linear")] == [np.inf, np.inf, np.inf, -np.inf]
        assert np.isnan(found.correlation[0])
        unknown = record.assign(omega_true=record.omega_true.where(np.isfinite(omega)))  # nothing was to be predicted there
        assert recovered_velocity(made, unknown).rmse.item() == 0.0
        assert recovered_velocity(made, unknown).correlation.item() == pytest.approx(1.0, abs=1e-12)


def test_too_few_augmented_states_leave_gaps():
    coupled = systems.get("coupled-oscillators")
    record = coupled.simulate(TIME, n_trajectories=2, observe=["x1", "x2"], seed=0)
    made = Fitted(
        coupled,
        {
            "x1": (record.x1.values, {"role": "position"}),
            "x2": (record.x2.values, {"role": "position"}),
            "augmented_1": (record.v1_true.values, {"role": "augmented"}),
        },
    )
    found = recovered_velocity(made, record)
    assert found.state.values.tolist() == ["v1", "v2"]
    assert found.rmse.sel(state="v1").item() == 0.0
    assert np.isnan(found.rmse.sel(state="v2"))
    assert np.isfinite(found.r2_linear.sel(state="v2"))


def test_hamiltonian_model_gives_its_position_rate():
    canonical = systems.get("pendulum-canonical", mass=2.0)
    record = canonical.simulate(TIME, n_trajectories=3, observe=["theta"], noise=0.01, seed=0)
    made = Fitted(
        canonical,
        {
            "theta": (record.theta_true.values, {"role": "position"}),
            "theta_momentum": (record.p_true.values, {"role": "momentum", "conjugate_to": "theta"}),
        },
    )
    with pytest.raises(DataError, match="pass the System as truth="):
        recovered_velocity(made, record)
    found = recovered_velocity(made, record, truth=canonical)
    assert found.attrs["recovered_from"] == "time derivative of the position"
    assert found.state.values.tolist() == ["theta_velocity"]
    assert found.units.values.tolist() == ["rad s-1"]
    assert found.rmse.item() < 1e-12
    np.testing.assert_allclose(found.theta_velocity_true, record.p_true / (2.0 * canonical.parameters["length"] ** 2), rtol=1e-12)


@pytest.mark.parametrize("name", ["pendulum", "coupled-oscillators", "damped-oscillator"])
def test_a_system_agrees_with_itself(name):
    system = systems.get(name)
    record = system.simulate(TIME, n_trajectories=3, noise=0.1, seed=0)
    found = recovered_velocity(system, record)
    assert float(found.rmse.max()) < 1e-12
    assert float(found.correlation.min()) == pytest.approx(1.0, abs=1e-12)


def test_truth_can_be_given_for_a_measured_record(pendulum, record):
    measured = record[["theta"]].copy()
    del measured.attrs["system"]
    with pytest.raises(DataError, match="the record was measured. Pass truth="):
        recovered_velocity(pendulum, measured)
    truth = record[["theta_true", "omega_true"]].rename(theta_true="theta", omega_true="omega")
    assert recovered_velocity(pendulum, measured, truth=truth).rmse.item() < 1e-12


def test_a_model_of_other_states_is_told(record):
    lorenz = systems.get("lorenz")
    with pytest.raises(DataError, match="'lorenz' has no state theta, only x, y, z"):
        recovered_velocity(lorenz, record)


def test_linear_map_leaves_out_gaps_and_constant_targets():
    x = np.linspace(0, 1, 50)
    y = 2 * x + 1
    y[7] = np.nan
    fitted, r2 = linear_map(np.stack([x, x**2], axis=-1), y)
    assert r2 == pytest.approx(1.0, abs=1e-12)
    assert fitted[7] == pytest.approx(2 * x[7] + 1)
    assert np.isnan(linear_map(x[:, None], np.ones(50))[1])
    assert linear_map(x[:, None], np.cos(2 * np.pi * x))[1] == pytest.approx(0.0, abs=0.01)
