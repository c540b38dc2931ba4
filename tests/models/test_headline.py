"""The numbers that physode is measured by. The studies run them with all seeds; here they guard every change."""

from __future__ import annotations

import numpy as np
import pytest

import physode
from physode import systems
from physode.trajectories import select_split

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(2))
def test_velocity_of_a_pendulum_from_noisy_angles(seed: int) -> None:
    system, time = systems.get("pendulum"), np.linspace(0.0, 10.0, 100)
    amplitude = float(abs(system.simulate(time, n_trajectories=20, seed=0)["theta"]).max())
    record = system.simulate(time, n_trajectories=20, observe=["theta"], noise=0.01 * amplitude, seed=0)
    record = physode.split(record, test=0.2, by="trajectory", seed=0)
    train, test = select_split(record, "train"), select_split(record, "test")
    truth = test["omega_true"].values
    second = physode.SecondOrderNeuralODE().fit(train, seed=seed).predict(test, warmup=25)
    augmented = physode.AugmentedNeuralODE().fit(train, seed=seed).predict(test, warmup=25)
    error, other = (np.sqrt(np.mean((found.values - truth) ** 2)) for found in (second["omega"], augmented["augmented_1"]))
    assert np.corrcoef(second["omega"].values.ravel(), truth.ravel())[0, 1] > 0.999
    assert other > 10 * error
    position = [float(np.sqrt(((found["theta"] - test["theta_true"]) ** 2).mean())) for found in (second, augmented)]
    assert max(position) < 3 * 0.01 * amplitude


@pytest.mark.parametrize("seed", range(5))
def test_lotka_volterra_beyond_what_was_seen(seed: int) -> None:
    start = {"x": 1.0, "y": 1.0}
    truth = systems.get("lotka-volterra").simulate(np.linspace(0.0, 50.0, 501), start)
    model = physode.NeuralODE().fit(truth.isel(time=slice(101)), seed=seed)
    run = model.simulate(start, truth["time"].values)
    error = np.stack([(run[name] - truth[name]).values[0] for name in start])
    assert np.sqrt(np.mean(error[:, :101] ** 2)) <= 1e-3
    assert np.sqrt(np.mean(error[:, 101:] ** 2)) <= 4e-3


@pytest.mark.parametrize("seed", range(2))
def test_hamiltonian_double_pendulum_from_26_points(seed: int) -> None:
    system = systems.get("double-pendulum", gravity=9.8)
    start = {"theta1": 0.05, "theta2": -0.05, "p1": 0.0, "p2": 0.0}
    truth = system.simulate(np.linspace(0.0, 200.0, 2001), start)
    run = physode.HamiltonianNeuralODE().fit(truth.isel(time=slice(26)), seed=seed).simulate(start, truth["time"].values)
    energy = system.energy(np.stack([run[name].values[0] for name in system.states], axis=1))
    assert np.abs(energy - energy[0]).max() <= 2.6e-4
    error = np.stack([(run[name] - truth[name]).values[0, -100:] for name in ("theta1", "theta2")])
    assert np.sqrt(np.mean(error**2)) < 1.4e-2


def test_a_hamiltonian_model_keeps_the_energy_of_a_pendulum() -> None:
    system = systems.get("pendulum")
    record = system.simulate(np.linspace(0.0, 10.0, 100), n_trajectories=8, seed=0)
    model = physode.HamiltonianNeuralODE().fit(record, seed=0)
    drift = physode.energy_drift(model, record, energy=system, time=np.linspace(0.0, 100.0, 1001))
    assert float(drift["max_drift"].max()) < 0.005
