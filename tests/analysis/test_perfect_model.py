"""A model whose field is the truth: every analysis must say of it what it says of the system."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import physode
from physode import analysis, systems
from physode.fields.base import AbstractField

SLOPES = {
    "lotka-volterra": lambda z: [2 / 3 * z[0] - 4 / 3 * z[0] * z[1], z[0] * z[1] - z[1]],
    "pendulum": lambda z: [z[1], -9.81 * torch.sin(z[0])],
    "van-der-pol": lambda z: [z[1], (1 - z[0] ** 2) * z[1] - z[0]],
    "lorenz": lambda z: [10 * (z[1] - z[0]), z[0] * (28 - z[2]) - z[1], z[0] * z[1] - 8 / 3 * z[2]],
}
JACOBIANS = {
    "lotka-volterra": lambda z: [[2 / 3 - 4 / 3 * z[1], -4 / 3 * z[0]], [z[1], z[0] - 1]],
    "pendulum": lambda z: [[0.0, 1.0], [-9.81 * torch.cos(z[0]), 0.0]],
    "van-der-pol": lambda z: [[0.0, 1.0], [-2 * z[0] * z[1] - 1, 1 - z[0] ** 2]],
    "lorenz": lambda z: [[-10.0, 10.0, 0.0], [28 - z[2], -1.0, -z[0]], [z[1], z[0], -8 / 3]],
}
PARAMETERS = {"lotka-volterra": {"alpha": 2 / 3, "beta": 4 / 3, "delta": 1.0, "gamma": 1.0}, "pendulum": {"gravity": 9.81, "length": 1.0}}


class TrueField(AbstractField):
    """The equations of a system in scaled units."""

    def __init__(self, name, scaling):
        super().__init__()
        self.n_states, self.n_inputs = len(scaling.scale), 0
        self.slopes, self.entries = SLOPES[name], JACOBIANS[name]
        self.none = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.mean, self.scale = torch.as_tensor(scaling.mean), torch.as_tensor(scaling.scale)
        self.time_scale = scaling.time_scale

    def forward(self, t, z, u):
        return torch.stack(self.slopes(self.inside(z)), -1) * self.time_scale / self.scale

    def state_jacobian(self, t, z, u):
        x = self.inside(z)
        rows = [torch.stack([torch.as_tensor(entry, dtype=torch.float64).expand(len(z)) for entry in row], -1) for row in self.entries(x)]
        return torch.stack(rows, -2) * self.time_scale * self.scale / self.scale[:, None]

    def inside(self, z):
        return (self.mean + self.scale * z).unbind(-1)

    def penalty_groups(self):
        return [[["none"]]]


@pytest.fixture(scope="module", params=sorted(SLOPES))
def pair(request):
    """Give a system, a model of exactly its field, and a record of the system."""
    system = systems.get(request.param, **PARAMETERS.get(request.param, {}))
    record = system.simulate(np.linspace(0, 12 * system.time_scale, 121), n_trajectories=3, seed=1)
    model = physode.NeuralODE(hidden=(2,), max_iterations=1).fit(record)
    scaling = replace(model.dynamics_.scaling, time_scale=system.time_scale)  # the steps of the analyses follow it
    model.dynamics_ = replace(model.dynamics_, scaling=scaling, field=TrueField(request.param, scaling), max_step=0.02)
    return system, model, record


def both(pair, function, *arguments, **options):
    system, model, _ = pair
    return function(system, *arguments, **options), function(model, *arguments, **options)


def assert_same(one, other, names, tolerance=1e-8):
    for name in names:
        expected = one[name].values
        np.testing.assert_allclose(
            other[name].values, expected, rtol=tolerance, atol=tolerance * max(1.0, float(np.nanmax(np.abs(expected))))
        )


def test_the_field_itself(pair):
    system, model, _ = pair
    states = system.sample_states(5, seed=2)
    tangents = np.random.default_rng(0).normal(size=(5, 2, states.shape[1]))
    np.testing.assert_allclose(model.rhs(0.0, states), system.rhs(0.0, states), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(model.jvp(0.0, states, tangents), system.jvp(0.0, states, tangents), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(model.divergence(0.0, states), system.divergence(0.0, states), rtol=1e-10, atol=1e-10)


def test_exponents(pair):
    system = pair[0]
    scale = system.time_scale
    shared = {"initial_states": system.sample_states(4, seed=3), "step": scale / 20, "duration": 20 * scale, "transient": 3 * scale}
    assert_same(*both(pair, analysis.lyapunov_spectrum, **shared), ["lyapunov_exponent", "mean_divergence", "kaplan_yorke_dimension"], 1e-7)


def test_local_structure(pair):
    system = pair[0]
    starts = system.sample_states(40, seed=4)
    one, other = both(pair, analysis.fixed_points, starts=starts)
    assert_same(one, other, [*system.states, "eigenvalue_real", "eigenvalue_imag"], 1e-6)
    assert one.kind.values.tolist() == other.kind.values.tolist()


def test_periodic_orbit(pair):
    system = pair[0]
    if system.name == "lorenz":
        pytest.skip("its orbits are not closed")
    start = {"lotka-volterra": [1.0, 1.0], "pendulum": [1.0, 0.0], "van-der-pol": [2.00862, 0.0]}[system.name]
    one, other = both(pair, analysis.periodic_orbit, dict(zip(system.states, start, strict=True)))
    assert_same(one, other, ["period", "multiplier_real", "multiplier_imag"], 1e-6)


def test_velocity_energy_and_forecast(pair):
    system, model, record = pair
    short = record.isel(time=slice(0, 41))
    error = physode.forecast_error(model, short, warmup=20)
    assert error.rmse.max() < 1e-5
    if system.conserves_energy:
        drift = physode.energy_drift(model, short, energy=system)
        assert float(drift.max_drift.max()) < 1e-6
    backward = analysis.backward_prediction(model, short)
    assert all(
        float(abs(backward[name].isel(time=0) - short[name].isel(time=0)).max()) < 1e-5 for name in system.states if name in backward
    )


def test_distillation(pair):
    one, other = both(pair, analysis.distill)
    np.testing.assert_allclose(one.coefficient, other.coefficient, atol=1e-6 * float(abs(one.coefficient).max()))


def test_conserved_quantities(pair):
    system = pair[0]
    one, other = both(pair, analysis.find_invariant, states=system.sample_states(30, seed=5))
    assert one.n_independent.item() == other.n_independent.item() == (1 if system.invariants else 0)
    assert_same(one, other, ["best_ratio"], 1e-5)


def test_stretching(pair):
    system = pair[0]
    scale = system.time_scale
    start = system.sample_states(4, seed=3)
    shared = {"initial_states": start, "step": scale / 20, "duration": 10 * scale}
    assert_same(*both(pair, analysis.local_exponents, window=2 * scale, transient=3 * scale, **shared), ["local_exponent"], 1e-6)
    assert_same(*both(pair, analysis.largest_exponent_wolf, **shared), ["lyapunov_exponent"], 1e-4)
