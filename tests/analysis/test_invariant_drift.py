"""What is kept of everything that a system keeps, and how a learned energy compares with the true one."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_standins import Fitted

from physode import systems
from physode.analysis import energy_drift, invariant_drift, learned_energy
from physode.errors import DataError, PhysodeError

TIME = np.linspace(0, 10, 101)


def test_every_invariant_of_two_bodies_stays_at_the_floor():
    bodies = systems.get("two-body")
    found = invariant_drift(bodies, bodies.sample_states(3, 0), bodies, time=TIME)
    assert found.invariant.values.tolist() == ["energy", "angular_momentum", "momentum_x", "momentum_y"]
    assert float(found.max_drift.max()) < 1e-8
    np.testing.assert_array_equal(found.value, found.floor_value)
    assert float(found.scale.min()) > 0.5  # of the momenta too, which are zero on these orbits
    start = bodies.sample_states(3, 0)
    np.testing.assert_allclose(found.value.sel(invariant="angular_momentum")[:, 0], bodies.invariants["angular_momentum"](start))
    np.testing.assert_allclose(found.value.sel(invariant="energy")[:, 0], bodies.energy(start))


def test_a_wrong_field_loses_one_quantity_and_keeps_another():
    bodies, stronger = systems.get("two-body"), systems.get("two-body", G=1.2)
    found = invariant_drift(stronger, bodies.sample_states(3, 0), bodies, time=TIME)
    assert float(found.max_drift.sel(invariant="angular_momentum").max()) < 1e-8
    assert float(found.max_drift.sel(invariant="energy").min()) > 1e-3
    assert float(found.floor_max_drift.max()) < 1e-8
    alone = energy_drift(stronger, bodies.sample_states(3, 0), energy=bodies, time=TIME)
    for name in ("max_drift", "rms_drift", "slope"):
        np.testing.assert_array_equal(found[name].sel(invariant="energy"), alone[name])


def test_the_constant_of_lotka_volterra_on_another_field():
    predators = systems.get("lotka-volterra")
    found = invariant_drift(systems.get("lotka-volterra", alpha=0.7), {"x": 1.0, "y": 1.0}, predators, time=TIME)
    path = systems.get("lotka-volterra", alpha=0.7).simulate(TIME, {"x": 1.0, "y": 1.0})
    states = np.stack([path.x.values[0], path.y.values[0]], axis=1)
    np.testing.assert_allclose(found.value[0, 0], predators.invariants["V"](states), atol=1e-7)
    change = found.value[0, 0] - found.value[0, 0, 0]
    assert float(found.max_drift[0, 0]) == pytest.approx(float(abs(change).max()) / float(found.scale[0]), rel=1e-9)


def test_a_system_that_keeps_nothing_is_told():
    lorenz = systems.get("lorenz")
    with pytest.raises(DataError, match="'lorenz' conserves nothing that could drift"):
        invariant_drift(lorenz, [1.0, 1.0, 20.0], lorenz)


class WithEnergy(Fitted):
    def hamiltonian(self, z):
        return 4 * self.system.energy(z) + 2 + self.bend * self.system.energy(z) ** 2


@pytest.fixture
def pendulum():
    return systems.get("pendulum")


@pytest.fixture
def made(pendulum):
    record = pendulum.simulate(TIME, n_trajectories=5, seed=0)
    states = {"theta": (record.theta.values, {"role": "position"}), "omega": (record.omega.values, {"role": "momentum"})}
    fitted = WithEnergy(pendulum, states)
    fitted.bend = 0.0
    return fitted, record


def test_a_learned_energy_is_compared_up_to_an_affine_map(pendulum, made):
    fitted, record = made
    found = learned_energy(fitted, record, pendulum)
    assert float(found.slope) == pytest.approx(0.25)
    assert float(found.intercept) == pytest.approx(-0.5)
    assert float(found.slope_standard_error) == pytest.approx(0.0, abs=1e-9)
    assert float(found.r2) == pytest.approx(1.0, abs=1e-12)
    assert float(found.rmse) < 1e-9
    assert found.rmse.attrs["units"] == pendulum.energy_units
    np.testing.assert_allclose(found.energy_mapped, found.energy_true)
    np.testing.assert_allclose(found.energy_learned, 4 * found.energy_true + 2)
    fitted.bend = 0.1
    bent = learned_energy(fitted, record, pendulum)
    assert float(bent.r2) < 0.9999
    left = bent.energy_true - bent.energy_mapped
    assert float(bent.rmse) == pytest.approx(float(np.sqrt((left**2).mean())))
    slopes = []
    for k in range(5):
        keep = np.arange(5) != k
        slopes.append(np.polyfit(bent.energy_learned.values[keep].ravel(), bent.energy_true.values[keep].ravel(), 1)[0])
    assert float(bent.slope_standard_error) == pytest.approx(np.sqrt(4 / 5 * np.sum((slopes - np.mean(slopes)) ** 2)))


def test_where_there_is_nothing_to_compare(pendulum, made):
    fitted, record = made
    one = record.isel(trajectory=slice(1))
    with pytest.raises(DataError, match="take trajectories of several energies"):
        learned_energy(pendulum, one, pendulum)
    lorenz = systems.get("lorenz")
    with pytest.raises(PhysodeError, match="lorenz declares no energy"):
        learned_energy(lorenz, lorenz.simulate(TIME, n_trajectories=2, seed=0), pendulum)
    with pytest.raises(DataError, match="'stand-in' has learned no energy. Fit a Hamiltonian model"):
        learned_energy(Fitted(pendulum, fitted.variables), record, pendulum)


@pytest.mark.slow
@pytest.mark.parametrize("observe", [None, ["theta"]])
def test_the_energy_that_a_network_learned_of_a_pendulum(pendulum, observe):
    from physode import models

    record = pendulum.simulate(np.linspace(0, 8, 101), n_trajectories=6, observe=observe, seed=0)
    found = learned_energy(models.get("hnn").fit(record, seed=0), record, pendulum)
    assert float(found.r2) > 0.9999
    if observe is None:
        assert float(found.slope) == pytest.approx(1.0, abs=0.01)
