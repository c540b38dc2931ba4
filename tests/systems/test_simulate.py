"""Records from systems: truth beside observations, noise, names, and the same seed."""

import json

import numpy as np
import pytest

import physode.trajectories as trajectories
from physode import systems
from physode.errors import PhysodeError, SimulationError, UnknownNameError

TIME = np.linspace(0, 10, 101)


@pytest.mark.parametrize("name", systems.names())
def test_every_system_makes_a_valid_record(name):
    system = systems.get(name)
    record = system.simulate(np.linspace(0, 2 * system.time_scale, 11), n_trajectories=2, noise=0.01, seed=4)
    trajectories.validate(record)
    assert trajectories.state_names(record) == list(system.states)
    assert trajectories.parameter_names(record) == list(system.parameters)
    truth = trajectories.true_states(record)
    assert list(truth.data_vars) == list(system.states)
    np.testing.assert_allclose(np.stack([truth[s][:, 0] for s in system.states], -1), system.sample_states(2, seed=[4, 0]))


def test_a_clean_full_record_is_its_own_truth():
    record = systems.get("pendulum").simulate(TIME)
    assert list(record.data_vars) == ["theta", "omega", "gravity", "length"]
    assert record.theta.dims == ("trajectory", "time")
    assert record.sizes == {"trajectory": 1, "time": 101}
    assert record.omega.attrs == {"units": "rad s-1", "long_name": "angular velocity", "role": "velocity", "time_derivative_of": "theta"}
    assert record.attrs["schema"] == "physode/1"
    assert record.attrs["system"] == "pendulum"
    assert record.attrs["rtol"] == 1e-10
    assert record.time.attrs["units"] == "s"
    assert record.theta.dtype == np.float64
    np.testing.assert_array_equal(record.time, TIME)


def test_accuracy_and_energy():
    record = systems.get("pendulum").simulate(TIME, {"theta": [0.5, 1.0, 2.0], "omega": 0.0})
    pendulum = systems.get("pendulum")
    energy = pendulum.energy(np.stack([record.theta, record.omega], -1))
    assert np.abs(energy / energy[:, :1] - 1).max() < 1e-9
    from scipy.special import ellipj, ellipk

    k = np.sin(0.5)
    sn = ellipj(ellipk(k**2) - np.sqrt(9.81) * TIME, k**2)[0]
    np.testing.assert_allclose(record.theta[1], 2 * np.arcsin(k * sn), atol=1e-8)


def test_noise_in_units_by_state_and_relative():
    pendulum = systems.get("pendulum")
    absolute = pendulum.simulate(TIME, n_trajectories=30, noise=0.05, seed=1)
    assert float(absolute.theta_noise_std) == 0.05
    assert float((absolute.theta - absolute.theta_true).std()) == pytest.approx(0.05, rel=0.05)
    by_state = pendulum.simulate(TIME, n_trajectories=30, noise={"theta": 0.05}, seed=1)
    np.testing.assert_array_equal(by_state.theta, absolute.theta)
    np.testing.assert_array_equal(by_state.omega, by_state.omega_true)
    assert float(by_state.omega_noise_std) == 0.0
    relative = pendulum.simulate(TIME, n_trajectories=30, noise=0.1, noise_model="relative", seed=1)
    assert float(relative.omega_noise_std) == pytest.approx(0.1 * float(relative.omega_true.std()), rel=1e-12)
    assert float((relative.omega - relative.omega_true).std()) == pytest.approx(float(relative.omega_noise_std), rel=0.05)
    assert json.loads(by_state.attrs["noise"]) == {"theta": 0.05}
    assert relative.attrs["noise_model"] == "relative"


def test_noise_and_observation_leave_the_truth_alone():
    pendulum = systems.get("pendulum")
    clean = pendulum.simulate(TIME, n_trajectories=4, seed=2)
    partial = pendulum.simulate(TIME, n_trajectories=4, observe=["theta"], seed=2)
    assert "omega" not in partial
    assert "theta_noise_std" not in partial
    np.testing.assert_array_equal(partial.omega_true, clean.omega)
    assert partial.omega_true.attrs["time_derivative_of"] == "theta"
    assert partial.omega_true.attrs["role"] == "truth"
    noisy = pendulum.simulate(TIME, n_trajectories=4, observe=["theta"], noise=0.1, seed=2)
    np.testing.assert_array_equal(noisy.theta_true, clean.theta)
    assert list(noisy.data_vars) == ["theta", "theta_true", "omega_true", "theta_noise_std", "gravity", "length"]


def test_the_same_seed_gives_the_same_bytes():
    make = lambda seed: systems.get("lorenz").simulate(np.linspace(0, 1, 11), n_trajectories=3, noise=0.1, seed=seed)  # noqa: E731
    first, again, other = make(0), make(0), make(1)
    assert all(first[name].values.tobytes() == again[name].values.tobytes() for name in first.variables)
    assert not np.array_equal(first.x, other.x)
    fewer = systems.get("lorenz").simulate(np.linspace(0, 1, 11), n_trajectories=2, seed=0)
    np.testing.assert_array_equal(fewer.x, first.x_true[:2])


def test_parameters_over_trajectories():
    lengths = np.array([0.5, 1.0, 2.0])
    record = systems.get("pendulum").simulate(TIME, {"theta": 1e-4, "omega": 0.0}, parameters={"length": lengths})
    assert record.length.dims == ("trajectory",)
    assert record.gravity.dims == ()
    np.testing.assert_allclose(record.theta, 1e-4 * np.cos(np.sqrt(9.81 / lengths)[:, None] * TIME), atol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"time": [0, 1, 1]}, PhysodeError, "time must increase, found 1 followed by 1 at position 1"),
        ({"time": [0, np.nan]}, PhysodeError, "time must be finite, found nan at position 1"),
        ({"time": [[0, 1]]}, PhysodeError, r"found shape \(1, 2\)"),
        ({"initial_states": {"theta": 1.0}}, PhysodeError, "gives no value for omega"),
        ({"initial_states": {"theta": 1.0, "omga": 0.0}}, UnknownNameError, "did you mean 'omega'"),
        ({"initial_states": {"theta": [1.0, 2.0], "omega": [0.0, 1.0, 2.0]}}, PhysodeError, "'theta': 2, initial value of 'omega': 3"),
        ({"initial_states": {"theta": [1.0, 2.0], "omega": 0.0}, "n_trajectories": 3}, PhysodeError, "n_trajectories: 3"),
        ({"n_trajectories": 0}, PhysodeError, "at least 1, found 0"),
        ({"observe": ["phi"]}, UnknownNameError, "state of pendulum 'phi'"),
        ({"observe": "theta"}, PhysodeError, "observe must list one or more"),
        ({"noise": -1.0}, PhysodeError, "noise of 'theta' must be a standard deviation of 0 or more, found -1.0"),
        ({"noise": {"omega": 1.0}, "observe": ["theta"]}, PhysodeError, "noise is given for omega, which observe leaves out"),
        ({"noise_model": "gausian"}, UnknownNameError, "did you mean 'gaussian'"),
        ({"parameters": {"lenght": 1.0}}, UnknownNameError, "did you mean 'length'"),
        ({"parameters": {"length": [[1.0]]}}, PhysodeError, "one finite number or one per trajectory"),
    ],
)
def test_mistakes_are_told(arguments, error, message):
    with pytest.raises(error, match=message):
        systems.get("pendulum").simulate(**({"time": TIME} | arguments))


def test_a_blow_up_names_trajectory_time_and_state():
    blow = systems.define("blow", {"x": "x**2", "y": "-y"})
    with pytest.raises(SimulationError, match=r"trajectory 1 of blow .* beyond time (1|0\.9\d*) s, where x is"):
        blow.simulate(np.linspace(0, 2, 21), {"x": [-1.0, 1.0], "y": 1.0})
