"""Fields that run away: a fit starts again from other weights when its free run leaves the record, and says so in the end."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector
from training_records import field, guess_from, rotation, settings, silent

import physode
from physode import systems
from physode.models import train
from physode.solvers import SOLVERS
from physode.training import fit
from physode.training.levenberg_marquardt import levenberg_marquardt
from physode.training.shooting import InitialPrior, ShootingProblem


def stages() -> fit._Stages:
    batch, states = rotation()
    vector_field = field()
    stage = fit._Stages(vector_field, batch, (0, 1), guess_from(states), settings("levenberg-marquardt", SOLVERS["rk4"]), silent)
    stage.fitted.theta = torch.zeros_like(stage.fitted.theta)
    stage.fitted.theta[[0, 3]] = 0.5  # dz/dt = z / 2
    return stage


def test_the_excursion_of_a_free_run_is_measured_against_the_record() -> None:
    stage = stages()
    stage.run_free()
    size = stage.batch.values.abs().amax((0, 1))
    expected = (stage.batch.values[:, 0].abs() * math.exp(3.0)).amax(0) / size  # 6 units of time at a rate of a half
    assert stage.fitted.excursion == pytest.approx(float(expected.max()), rel=1e-4)
    stage.fitted.theta[[0, 3]] = 1e300
    stage.run_free()
    assert stage.fitted.excursion == math.inf


def test_a_fit_whose_free_run_leaves_the_record_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 6, 40), {"x": 1.0, "v": 0.0})
    good = physode.NeuralODE(hidden=(2,)).fit(ds).result_
    assert good.success and "unstable" not in good.message
    fits = []
    real = train.fit_field

    def count(*arguments: object) -> fit.Fitted:
        fits.append(real(*arguments))  # type: ignore[arg-type]
        return fits[-1]

    monkeypatch.setattr(train, "fit_field", count)
    monkeypatch.setattr(train, "FAR", 0.5)
    result = physode.NeuralODE(hidden=(2,)).fit(ds).result_
    assert not result.success and result.status == "converged"
    assert len(fits) == train.ATTEMPTS
    assert "the learned field goes 1 times as far from the mean as the record does: it is unstable" in result.message


def test_an_initial_state_that_the_record_cannot_tell_stops_no_fit() -> None:
    """Perturbations grow so much that the normal equations of the initial state are singular in floating-point numbers."""
    batch = rotation(n_observations=50, duration=60.0, n_trajectories=1)[0]
    vector_field = field()
    theta = torch.zeros_like(parameters_to_vector(vector_field.parameters()))
    theta[[0, 3]] = torch.tensor([2.0, -3.0], dtype=torch.float64)
    prior = InitialPrior(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64))
    problem = ShootingProblem(vector_field, batch, (0,), prior, SOLVERS["rk4"].tableau, 0.25)  # type: ignore[attr-defined]
    problem.mask, problem.target = problem.mask[..., :1], problem.target[..., :1]
    evidence = stages().evidence
    with torch.no_grad():
        point = levenberg_marquardt(problem, theta, prior.mean, evidence, iterations=3, tolerance=0.01, report=silent)
    assert bool(point.theta.isfinite().all())


def test_an_unstable_fit_starts_again_from_other_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 6, 40), {"x": 1.0, "v": 0.0})
    plain = physode.NeuralODE(hidden=(2,)).fit(ds, seed=0)
    real, excursions = train.fit_field, [50.0, 1.0]

    def pretend(*arguments: object) -> fit.Fitted:
        fitted = real(*arguments)  # type: ignore[arg-type]
        fitted.excursion = excursions.pop(0)
        return fitted

    monkeypatch.setattr(train, "fit_field", pretend)
    again = physode.NeuralODE(hidden=(2,)).fit(ds, seed=0)
    assert excursions == [] and again.result_.success
    weights = [model.module_.net.affine[0].weight.detach() for model in (plain, again)]
    assert not torch.allclose(*weights)
