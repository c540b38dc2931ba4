"""Measurements of known and differing noise count by their precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from training_records import field, no_samples, rotation

import physode
from physode.fields import get_theta, stack
from physode.models.encoding import noise_levels
from physode.solvers import SOLVERS
from physode.solvers.runge_kutta import RUNGE_KUTTA
from physode.training.batch import Batch
from physode.training.equations import NormalEquations
from physode.training.gradient_descent import DescentProblem
from physode.training.initial_states import refine_initial_states
from physode.training.shooting import InitialPrior, ShootingProblem
from physode.training.windows import cut_windows


def weighted() -> tuple[Batch, torch.Tensor]:
    batch, states = rotation(noise=0.1, n_observations=9)
    weight = 3 * torch.rand(batch.values.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Batch(batch.time, batch.values, batch.inputs, weight), states[:, 0]


@torch.no_grad()
def test_squares_are_weighted_and_their_derivatives_are_theirs() -> None:
    batch, start = weighted()
    vector_field, one = field(hidden=(3,)), torch.tensor([0])
    theta = get_theta(vector_field)
    prior = InitialPrior(start[None], torch.zeros_like(start))
    problem = ShootingProblem(stack([vector_field]), batch, (0, 1), prior, RUNGE_KUTTA["rk4"], 0.2)
    assert batch.weight is not None
    run = SOLVERS["rk4"].integrate(vector_field, start, batch.time, batch.inputs, 0.2)
    expected = (batch.weight * (run - batch.values).square()).sum((0, 1))
    found = problem.evaluate(theta, start[None], one)
    torch.testing.assert_close(found.squares[0], expected)
    descent = DescentProblem(vector_field, batch, (0, 1), prior, SOLVERS["rk4"], 0.2)
    torch.testing.assert_close(descent.squares(start, torch.arange(2))[0], expected)
    precision = torch.tensor([2.0, 5.0], dtype=torch.float64)
    equations = NormalEquations.of(problem.linearise(theta, start[None], found.path, precision[None], one), keep=False)
    direction = torch.randn(theta.shape[1], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    up, down = (problem.evaluate(theta + h * direction, start[None], one).squares[0] @ precision for h in (1e-5, -1e-5))
    assert float(2 * equations.gradient[0] @ direction) == pytest.approx(float((up - down) / 2e-5), rel=1e-5)


def test_windows_keep_the_weights_of_their_measurements() -> None:
    batch, _ = weighted()
    windows = cut_windows(batch, 3).choose(torch.tensor([1, 4]))
    assert batch.weight is not None and windows.batch.weight is not None
    inside = windows.columns >= 0
    rows = windows.rows[:, None].expand_as(windows.columns)
    torch.testing.assert_close(windows.batch.weight[inside], batch.weight[rows[inside], windows.columns[inside]], rtol=0, atol=0)


def test_an_initial_state_is_the_weighted_mean_of_what_a_resting_field_sees() -> None:
    vector_field = field(n_states=1, hidden=(2,))
    with torch.no_grad():
        for parameter in vector_field.parameters():
            parameter.zero_()
    time = torch.arange(3, dtype=torch.float64)[None]
    values = torch.tensor([[[1.0], [2.0], [6.0]]], dtype=torch.float64)
    batch = Batch(time, values, no_samples(time), torch.tensor([[[1.0], [1.0], [4.0]]], dtype=torch.float64))
    start, free, variance = (
        torch.zeros(1, 1, dtype=torch.float64),
        torch.full((1,), 1e-9, dtype=torch.float64),
        torch.ones(1, dtype=torch.float64),
    )
    found = refine_initial_states(vector_field, batch, (0,), start, start, free, variance, 1.0).initial
    assert float(found) == pytest.approx((1 + 2 + 4 * 6) / 6, abs=1e-6)


def record(sigma: np.ndarray, seed: int) -> xr.Dataset:
    """Damped oscillations with noise of these sizes, which the record states for each measurement."""
    from physode import systems

    clean = systems.get("damped-oscillator").simulate(np.linspace(0, 10, 81), {"x": [1.0, -0.6], "v": [0.0, 1.0]}, observe=["x"])
    noise = sigma * np.random.default_rng(seed).standard_normal(sigma.shape)
    stated = (("trajectory", "time"), sigma, {"role": "noise", "units": "m"})
    return clean.assign(x=(clean["x"] + noise).assign_attrs(clean["x"].attrs), x_noise_std=stated)


def test_the_level_is_that_of_the_mean_precision() -> None:
    sigma = np.full((2, 81), 0.1)
    level, weight = noise_levels(record(sigma, 0), ["x"])
    assert level == pytest.approx(0.1) and weight is None
    sigma[1] = 0.2
    level, weight = noise_levels(record(sigma, 0), ["x"])
    assert weight is not None
    np.testing.assert_allclose(level[0] / np.sqrt(weight[..., 0]), sigma)
    assert weight.mean() == pytest.approx(1.0)
    each = record(sigma, 0).assign(x_noise_std=("trajectory", [0.1, 0.2], {"role": "noise"}))
    np.testing.assert_allclose(noise_levels(each, ["x"])[1], weight)
    bare = record(sigma, 0).drop_vars("x_noise_std")
    assert noise_levels(bare, ["x"])[0].tolist() == [0.0] and noise_levels(bare, ["x"])[1] is None


def test_a_fit_that_knows_which_measurements_are_bad_is_closer_to_the_truth() -> None:
    errors = {"weighted": [], "mean": []}
    for seed in range(2):
        sigma = np.where(np.random.default_rng(9 + seed).random((2, 81)) < 0.5, 0.01, 0.3)
        ds = record(sigma, seed)
        for name, given in (("weighted", ds), ("mean", ds.assign(x_noise_std=((), float(sigma.mean()), {"role": "noise"})))):
            model = physode.SecondOrderNeuralODE(hidden=(4,)).fit(given, seed=0)
            errors[name].append(float(np.sqrt(((model.predict(given)["x"] - ds["x_true"]) ** 2).mean())))
    assert np.median(errors["weighted"]) < 0.25 * np.median(errors["mean"]), errors
