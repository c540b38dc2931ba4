"""A Hamiltonian model in logarithms of positive states."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

import physode
from physode import systems
from physode.errors import DataError, UnknownNameError

START = {"x": 1.0, "y": 1.0}


def predators_and_prey(noise: float = 0.0, points: int = 61) -> xr.Dataset:
    ds = systems.get("lotka-volterra").simulate(np.linspace(0.0, 10.0, points), START, noise=noise, seed=100)
    ds["y"].attrs["conjugate_to"] = "x"
    return ds


@pytest.fixture(scope="module")
def model() -> physode.HamiltonianNeuralODE:
    return physode.HamiltonianNeuralODE(coordinates="log").fit(predators_and_prey(), seed=0)


def test_learns_the_true_energy(model: physode.HamiltonianNeuralODE) -> None:
    z = np.random.default_rng(3).choice(model.dynamics_.reference, 40) * np.random.default_rng(4).uniform(0.97, 1.03, (40, 2))
    x, y = z.T
    true = np.log(x) - x + 2 / 3 * np.log(y) - 4 / 3 * y
    found = model.hamiltonian(z)
    assert np.ptp(true) > 0.03
    np.testing.assert_allclose(found - found.mean(), true - true.mean(), atol=0.02 * np.ptp(true))


def test_keeps_its_energy_and_positive_states(model: physode.HamiltonianNeuralODE) -> None:
    run = model.simulate(START, np.linspace(0.0, 100.0, 1001))
    z = np.stack([run["x"].values[0], run["y"].values[0]], axis=1)
    assert z.min() > 0
    assert np.ptp(model.hamiltonian(z)) < 1e-3


def test_a_few_noisy_points_of_lotka_and_volterra_leave_its_law_unbent() -> None:
    ds = predators_and_prey(0.1, 41)
    field = physode.HamiltonianNeuralODE(coordinates="log").fit(ds, seed=0).dynamics_.field
    parameters = {name: parameter.detach() for name, parameter in field.named_parameters()}
    assert float(parameters["growth"].abs().min()) > 0.1
    bends = [parameter for name, parameter in parameters.items() if "layers.1" in name or "quadratic" in name]
    assert max(float(parameter.abs().max()) for parameter in bends) < 1e-3


def test_a_record_of_another_law_bends_it() -> None:
    def slope(_: float, state: NDArray[np.float64]) -> list[float]:
        x, y = state
        return [x * (1 - 1.2 * y**1.5 / (1 + 0.2 * y**1.5)), y * (x**2 / (1 + 0.3 * x**2) - 0.7)]

    time = np.linspace(0.0, 30.0, 301)
    true = solve_ivp(slope, (0.0, 30.0), [2.2, 1.0], t_eval=time, rtol=1e-9, atol=1e-9).y
    ds = physode.from_numpy(time[:101], true.T[None, :101], states=["x", "y"])
    ds["y"].attrs["conjugate_to"] = "x"
    run = physode.HamiltonianNeuralODE(coordinates="log").fit(ds, seed=0).simulate({"x": 2.2, "y": 1.0}, time)
    error = np.stack([run["x"].values[0], run["y"].values[0]]) - true
    assert np.sqrt(np.mean(error[:, 101:] ** 2)) < 2e-3


def test_the_energy_has_the_units_of_the_motion_for_every_pair() -> None:
    first, time = predators_and_prey(), np.linspace(0.0, 10.0, 61)
    second = systems.get("lotka-volterra", alpha=1.0).simulate(time, {"x": 0.5, "y": 1.5})
    ds = first[["x", "y"]].assign(a=second["x"] * 50, b=second["y"] / 7)
    ds["b"].attrs["conjugate_to"] = "a"
    model = physode.HamiltonianNeuralODE(coordinates="log", hidden=(6,), max_iterations=3).fit(ds, seed=0)
    z = model.sample_states(5, seed=0)
    assert model.states == ("x", "a", "y", "b")
    shift = 1e-5 * np.eye(4)
    slope = np.stack([(model.hamiltonian(z * np.exp(e)) - model.hamiltonian(z * np.exp(-e))) / 2e-5 for e in shift], axis=1)
    expected = z * np.concatenate([slope[:, 2:], -slope[:, :2]], axis=1)
    np.testing.assert_allclose(model.rhs(0.0, z), expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max())


def test_a_saved_model_predicts_the_same(model: physode.HamiltonianNeuralODE, tmp_path) -> None:
    model.save(tmp_path / "m.safetensors")
    again, ds = physode.load(tmp_path / "m.safetensors"), predators_and_prey(0.05)
    xr.testing.assert_equal(model.predict(ds), again.predict(ds))
    z = model.sample_states(5, seed=0)
    assert again.coordinates == "log"
    np.testing.assert_array_equal(model.hamiltonian(z), again.hamiltonian(z))


def test_states_that_are_not_positive_are_refused_unless_noise_explains_them() -> None:
    ds = predators_and_prey(0.1, 31)
    ds["y"][0, 4] = -0.05
    few = physode.HamiltonianNeuralODE(coordinates="log", hidden=(4,), max_iterations=2)
    assert np.isfinite(few.fit(ds).predict(ds)["y"].values).all()
    with pytest.raises(DataError, match=r"state 'y' has the value -0.05, and coordinates='log' .* give the noise's .* as y_noise_std"):
        few.fit(ds.drop_vars("y_noise_std"))
    ds["y"][0, 4] = -0.45
    with pytest.raises(DataError, match="state 'y' has the value -0.45"):
        few.fit(ds)


def test_a_momentum_that_nobody_measured_has_no_logarithm() -> None:
    ds = systems.get("lotka-volterra").simulate(np.linspace(0.0, 10.0, 41), START, observe=["x"])
    with pytest.raises(DataError, match=r"x_momentum is not measured, and coordinates='log' needs"):
        physode.HamiltonianNeuralODE(coordinates="log").fit(ds)


def test_coordinates_are_named() -> None:
    with pytest.raises(UnknownNameError, match="logarithm"):
        physode.HamiltonianNeuralODE(coordinates="logarithm")
