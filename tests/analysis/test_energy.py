"""Energy drift with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from physode import systems
from physode.analysis import energy_drift
from physode.analysis.integrate import integrate
from physode.errors import DataError, PhysodeError, UnknownNameError
from physode.trajectories import from_numpy

TIME = np.linspace(0, 10, 201)


def test_a_damped_oscillator_loses_the_energy_of_the_free_one():
    free, damped = systems.get("harmonic-oscillator"), systems.get("damped-oscillator")
    found = energy_drift(damped, {"x": [1.0, 2.0], "v": 0.0}, energy=free, time=TIME)
    gamma, k = -damped.divergence(0.0, np.zeros((1, 2)))[0], 1.0
    e = gamma / 2
    w = np.sqrt(k - e**2)
    x = np.exp(-e * TIME) * (np.cos(w * TIME) + e / w * np.sin(w * TIME))
    v = -np.exp(-e * TIME) * np.sin(w * TIME) * (w + e**2 / w)
    np.testing.assert_allclose(found.energy[0], x**2 / 2 + v**2 / 2, atol=1e-8)
    assert float(found.floor_max_drift.max()) < 1e-8
    np.testing.assert_allclose(found.floor_energy, [[0.5] * 201, [2.0] * 201], atol=1e-7)
    drift = (found.energy - found.energy[:, 0]) / found.scale
    np.testing.assert_allclose(found.max_drift, np.abs(drift).max("time"))
    np.testing.assert_allclose(found.rms_drift, np.sqrt((drift**2).mean("time")))
    np.testing.assert_allclose(found.slope[0], np.polyfit(TIME, drift[0], 1)[0])
    assert found.slope.attrs["units"] == "s-1"
    assert found.energy.attrs["units"] == free.energy_units


def test_trajectories_that_were_recorded_one_after_another_run_as_long_as_the_longest():
    free, damped, time = systems.get("harmonic-oscillator"), systems.get("damped-oscillator"), np.linspace(0, 6, 61)
    rows = damped.simulate(time, n_trajectories=2, seed=0)
    states = [np.stack([rows[name].values[k, :n] for name in ("x", "v")], axis=-1) for k, n in enumerate((61, 41))]
    found = []
    for start in (0.0, 1000.0):
        ds = from_numpy([time, time[:41] + start], states, ["x", "v"], roles={"x": "position", "v": "velocity of x"})
        found.append(energy_drift(damped, ds, energy=free))
    assert found[0]["time"].values.tolist() == found[1]["time"].values.tolist() == time.tolist()
    np.testing.assert_array_equal(found[0]["energy"], found[1]["energy"])


def test_scale_is_the_energy_of_a_harmonic_oscillator_and_not_zero_where_the_energy_is():
    free = systems.get("harmonic-oscillator")
    period = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    found = energy_drift(free, {"x": 3.0, "v": 0.0}, energy=free, time=period)
    assert found.scale.item() == pytest.approx(4.5, rel=0.03)
    pendulum = systems.get("double-pendulum")
    at_rest = {"theta1": np.pi / 2, "theta2": np.pi / 2, "p1": 0.0, "p2": 0.0}
    found = energy_drift(pendulum, at_rest, energy=pendulum, time=np.linspace(0, 5, 101))
    assert found.energy[0, 0].item() == pytest.approx(0.0, abs=1e-9)
    assert found.scale.item() > 10.0
    assert found.max_drift.item() < 1e-7
    assert energy_drift(pendulum, at_rest, energy=pendulum, time=[0.0, 1.0], scale=2.5).scale == 2.5


def test_a_system_on_its_own_record_stays_at_the_floor():
    pendulum = systems.get("pendulum")
    record = pendulum.simulate(TIME, n_trajectories=3, observe=["theta"], noise=0.1, seed=0)
    found = energy_drift(pendulum, record, energy=pendulum)
    assert float(found.max_drift.max()) < 1e-8
    np.testing.assert_allclose(found.energy, found.floor_energy)
    assert found.time.equals(record.time)
    longer = energy_drift(pendulum, record, energy=pendulum, time=np.linspace(0, 40, 11))
    assert longer.time[-1] == 40.0
    assert float(longer.scale) == float(found.scale)


def test_missing_velocity_is_the_rate_of_its_position():
    canonical, pendulum = systems.get("pendulum-canonical"), systems.get("pendulum")
    record = pendulum.simulate(TIME, n_trajectories=2, seed=0)
    record["p"] = record.omega.assign_attrs(role="momentum", conjugate_to="theta", units="kg m2 s-1")
    found = energy_drift(canonical, record, energy=pendulum)
    np.testing.assert_allclose(found.energy, found.floor_energy, rtol=1e-7)


def test_energy_by_function_and_by_name():
    predators = systems.get("lotka-volterra")
    name = next(iter(predators.invariants))
    found = energy_drift(predators, {"x": 1.0, "y": 1.0}, energy=name, time=TIME)
    assert found.max_drift.item() < 1e-7
    assert "floor_energy" not in found
    same = energy_drift(predators, {"x": 1.0, "y": 1.0}, energy=predators.invariants[name], time=TIME)
    np.testing.assert_array_equal(found.energy, same.energy)
    changing = energy_drift(predators, {"x": 1.0, "y": 1.0}, energy=lambda z: z[:, 0], time=TIME)
    np.testing.assert_allclose(changing.energy[0], integrate(predators, np.ones((1, 2)), TIME)[0, :, 0])
    assert energy_drift(predators, [1.0, 1.0], energy=name).sizes["time"] == 201
    with pytest.raises(UnknownNameError, match="unknown invariant of 'lotka-volterra' 'mass'"):
        energy_drift(predators, {"x": 1.0, "y": 1.0}, energy="mass")


def test_running_away_is_infinite_drift_and_touches_no_other_trajectory():
    away = systems.define(
        "away", equations={"x": "v", "v": "x**3 - x"}, initial_state={"x": 0.1, "v": 0.0}, energy="v**2/2 + x**2/2 - x**4/4"
    )
    found = energy_drift(away, {"x": [0.1, 2.0], "v": 0.0}, energy=away, time=TIME, scale=1.0)
    assert found.max_drift[0] < 1e-9
    assert found.max_drift[1] == np.inf
    assert np.isnan(found.energy[1, -1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"record": {"theta": 0.0, "omega": 0.0}}, "the energy does not vary over the record's states"),
        ({"time": [0.0, 0.0, 1.0]}, "increasing"),
        ({"energy": "lorenz"}, r"unknown invariant of .pendulum. .lorenz.. Choose from: energy\.$"),
        ({"record": {"theta": 0.0}}, "missing: omega"),
    ],
)
def test_wrong_arguments_are_told(arguments, message):
    pendulum = systems.get("pendulum")
    with pytest.raises(PhysodeError, match=message):
        energy_drift(pendulum, **({"record": {"theta": 1.0, "omega": 0.0}, "energy": pendulum, "time": TIME} | arguments))


def test_an_energy_of_other_states_is_told():
    with pytest.raises(DataError, match="the energy needs the state 'x', which 'pendulum' does not have"):
        energy_drift(systems.get("pendulum"), [1.0, 0.0], energy=systems.get("harmonic-oscillator"))
    record = systems.get("pendulum").simulate(TIME, seed=0)[["theta"]]
    with pytest.raises(DataError, match="the record lacks omega"):
        energy_drift(systems.get("pendulum"), record, energy=systems.get("pendulum"))


def test_integrate_gives_up_where_a_field_jumps_to_and_fro_and_goes_on_with_the_others():
    friction = systems.define("dry", {"x": "v", "v": "-x - 0.1*sign(v)"})
    evaluations = 0

    class Counted:
        time_scale = friction.time_scale

        def rhs(self, t, z):
            nonlocal evaluations
            evaluations += 1
            assert evaluations < 100_000
            return friction.rhs(t, z)

    time = np.linspace(0, 0.5, 5)
    stuck, moving = integrate(Counted(), np.array([[0.05, 0.01], [1.0, -0.5]]), time)
    assert np.isfinite(stuck[0]).all()
    assert np.isnan(stuck[1:]).all()
    np.testing.assert_allclose(moving[:, 0], 0.1 + 0.9 * np.cos(time) - 0.5 * np.sin(time), atol=1e-8)


def test_integrate_goes_backward():
    lorenz = systems.get("lorenz")
    start = lorenz.sample_states(2, 0)
    there = integrate(lorenz, start, np.array([0.0, 0.3]))[:, -1]
    back = integrate(lorenz, there, np.array([0.3, 0.0]))[:, -1]
    np.testing.assert_allclose(back, start, atol=1e-6)
