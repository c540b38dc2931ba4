"""Fields that run away: a fit says so when the free run of what it learned leaves the record."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_records import field, guess_from, rotation, settings, silent

import physode
from physode import systems
from physode.fields import get_theta, stack
from physode.models import outcome
from physode.solvers import SOLVERS
from physode.training.evidence import Evidence
from physode.training.journal import Journal
from physode.training.levenberg_marquardt import levenberg_marquardt
from physode.training.shooting import InitialPrior, ShootingProblem
from physode.training.stages import Stages


def test_the_excursion_of_a_free_run_is_measured_against_the_record() -> None:
    batch, states = rotation()
    how = settings("levenberg-marquardt", SOLVERS["rk4"])
    stage = Stages([field()], batch, (0, 1), guess_from(states), how, [torch.Generator()], silent, Journal(None, {}, {}))
    stage.fitted.theta.zero_()
    stage.fitted.theta[:, [0, 3]] = 0.5  # dz/dt = z / 2
    stage.run_free()
    size = batch.values.abs().amax((0, 1))
    expected = (batch.values[:, 0].abs() * math.exp(3.0)).amax(0) / size  # 6 units of time at a rate of a half
    assert float(stage.fitted.excursion) == pytest.approx(float(expected.max()), rel=1e-4)
    stage.fitted.theta[:, [0, 3]] = 1e300
    stage.run_free()
    assert float(stage.fitted.excursion) == math.inf


def test_a_fit_whose_free_run_leaves_the_record_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 6, 40), {"x": 1.0, "v": 0.0})
    good = physode.NeuralODE(hidden=(2,)).fit(ds).result_
    assert good.success and "unstable" not in good.message
    monkeypatch.setattr(outcome, "FAR", 0.5)
    result = physode.NeuralODE(hidden=(2,)).fit(ds).result_
    assert not result.success and result.status == "converged"
    assert "the learned field goes 1 times as far from the mean as the record does: it is unstable" in result.message


def test_descent_does_not_begin_from_a_warm_start_that_is_worse_than_none() -> None:
    batch, states = rotation()
    guess, how = guess_from(states), settings("lbfgs", SOLVERS["rk4"])
    for wrong in (1.0, 30.0):
        slopes = replace(guess, derivatives=wrong * guess.derivatives)
        stage = Stages([field()], batch, (0, 1), slopes, how, [torch.Generator()], silent, Journal(None, {}, {}))
        stage.warm_start()
        assert bool((stage.fitted.theta == stage.first).all()) == (wrong > 1)


def test_an_initial_state_that_the_record_cannot_tell_stops_no_fit() -> None:
    """Perturbations grow so much that the normal equations of the initial state are singular in floating-point numbers."""
    batch = rotation(n_observations=50, duration=60.0, n_trajectories=1)[0]
    vector_field = field()
    theta = torch.zeros_like(get_theta(vector_field))
    theta[:, [0, 3]] = torch.tensor([2.0, -3.0], dtype=torch.float64)
    none = torch.zeros(1, 2, dtype=torch.float64)
    one = type(batch)(batch.time, batch.values[..., :1], batch.inputs)
    problem = ShootingProblem(stack([vector_field]), one, (0,), InitialPrior(none[None], none), SOLVERS["rk4"].tableau, 0.25)  # type: ignore[attr-defined]
    evidence = Evidence(torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 0, dtype=torch.float64), [], torch.tensor([False]))
    with torch.no_grad():
        point = levenberg_marquardt(problem, theta, none[None], evidence, iterations=3, tolerance=0.01, accelerate=True, report=silent)
    assert bool(point.theta.isfinite().all())
