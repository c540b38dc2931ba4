"""Whole fits of a small linear oscillator: what they reach, what they keep when stopped, and when they take smaller steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from training_records import MATRIX, NAN, One, field, fit_one, guess_from, no_samples, rotation, settings

from physode.fields import AbstractField, SecondOrderField
from physode.solvers import SOLVERS, get_solver
from physode.solvers.adaptive import AdaptiveSolver
from physode.training.batch import Batch
from physode.training.evidence import Evidence
from physode.training.fit import fit_fields
from physode.training.fitted import STATUSES, FitSettings
from physode.training.gradient_descent import DescentProblem, adam, lbfgs
from physode.training.initial_states import estimate_initial_states
from physode.training.levenberg_marquardt import Point
from physode.training.result import OutOfTime, StopFit
from physode.training.shooting import InitialPrior
from physode.training.stages import Stages
from physode.training.windows import cut_windows


def jacobian(vector_field: AbstractField) -> torch.Tensor:
    """Of the fitted field, averaged over states of the record."""
    z = rotation()[1][:, ::6].flatten(0, 1)
    return vector_field.state_jacobian(z.new_zeros(len(z)), z, z.new_zeros(len(z), 0)).detach().mean(0)


def test_levenberg_marquardt_finds_the_field() -> None:
    batch, states = rotation()
    vector_field = field()
    seen: list[tuple[int, float, int, str]] = []
    fitted = fit_one(
        vector_field, batch, guess_from(states), settings("levenberg-marquardt", SOLVERS["rk4"]), lambda *row: seen.append(row)
    )
    assert fitted.status == "converged"
    assert fitted.loss < 1e-4
    torch.testing.assert_close(jacobian(vector_field), MATRIX, rtol=0, atol=2e-3)
    torch.testing.assert_close(fitted.states, states, rtol=0, atol=1e-3)
    assert torch.equal(fitted.theta, parameters_to_vector(vector_field.parameters()).detach())
    assert fitted.intervals == 24
    assert [row[0] for row in seen] == list(range(1, len(seen) + 1)) and fitted.n_iterations == len(seen)
    evaluations = [row[2] for row in seen]
    assert evaluations == sorted(evaluations) and fitted.n_evaluations >= evaluations[-1]
    assert list(dict.fromkeys(row[3] for row in seen)) == ["warm start", "windows of 4", "windows of 12", "windows of 24"]


def test_the_noise_of_a_record_is_recovered() -> None:
    batch, states = rotation(noise=0.05, n_observations=60, n_trajectories=3)
    fitted = fit_one(field(), batch, guess_from(states, 0.2), settings("levenberg-marquardt", SOLVERS["rk4"]))
    torch.testing.assert_close(fitted.noise, torch.full((2,), 0.05, dtype=torch.float64), rtol=0.2, atol=0)
    assert fitted.loss == pytest.approx(0.05, rel=0.2)


def rms(point: Point, batch: Batch) -> float:
    return float((point.squares.sum() / batch.values.isfinite().sum()).sqrt())


@pytest.mark.parametrize(("run", "iterations", "least"), [(lbfgs, 60, 0.02), (partial(adam, random=torch.Generator()), 120, 0.06)])
def test_gradient_descent_lowers_the_loss(run: Callable[..., Point], iterations: int, least: float) -> None:
    """From a field that stands still, and from initial states that are off; they must be learned as well."""
    batch, states = rotation(n_observations=13)
    windows = cut_windows(batch, 4)
    truth = windows.pick_initial(states[None])[0]
    prior = InitialPrior(truth[None] + 0.05, torch.full_like(truth, 1e-4))
    vector_field = field()
    problem = DescentProblem(vector_field, windows.batch, (0, 1), prior, SOLVERS["rk4"], 0.5)
    groups = [torch.arange(len(parameters_to_vector(vector_field.parameters())))]
    evidence = Evidence(
        torch.full((1, 2), 0.01, dtype=torch.float64), torch.full((1, 1), 1e-6, dtype=torch.float64), groups, torch.tensor([True, False])
    )
    rows = torch.arange(len(truth))
    with torch.no_grad():
        before = problem.squares(prior.mean[0], rows)[0]
    assert float((before.sum() / windows.batch.values.isfinite().sum()).sqrt()) > 0.5
    told: list[float] = []
    point = run(
        problem, prior.mean, evidence, iterations=iterations, tolerance=1e-4, report=lambda p, _: told.append(rms(p, windows.batch))
    )
    assert rms(point, windows.batch) < least
    assert told == sorted(told, reverse=True) and told[-1] == rms(point, windows.batch)
    with torch.no_grad():
        torch.testing.assert_close(problem.squares(point.initial[0], rows)[0], point.squares[0])
    assert torch.equal(point.theta[0], parameters_to_vector(vector_field.parameters()).detach())
    assert float(evidence.variance[0, 0]) == 0.01
    assert float(evidence.variance[0, 1]) == pytest.approx(
        float(point.squares[0, 1]) / float(windows.batch.values[..., 1].isfinite().sum())
    )
    assert problem.n_evaluations > 4 * 4 * iterations


def test_a_descent_loss_is_the_posterior_per_measurement() -> None:
    batch, states = rotation(n_observations=5)
    vector_field = field()
    prior = InitialPrior(states[None, :, 0] + 0.1, torch.full((2, 2), 3.0, dtype=torch.float64))
    problem = DescentProblem(vector_field, batch, (0, 1), prior, SOLVERS["rk4"], 0.5)
    theta = parameters_to_vector(vector_field.parameters()).detach()
    group = torch.arange(3, 8)
    evidence = Evidence(
        torch.tensor([[0.5, 0.2]], dtype=torch.float64), torch.tensor([[7.0]], dtype=torch.float64), [group], torch.tensor([True, True])
    )
    runs = SOLVERS["rk4"].integrate(vector_field, states[:, 0], batch.time, batch.inputs, 0.5).detach()
    errors = (runs - batch.values).square().sum((0, 1))
    penalty = 7.0 * theta[group].square().sum() + 1e-8 * (theta.square().sum() - theta[group].square().sum())
    expected = (errors[0] / 0.5 + errors[1] / 0.2 + 4 * 3 * 0.01 + penalty) / 20
    assert problem.loss(states[:, 0], torch.arange(2), evidence).item() == pytest.approx(float(expected), rel=1e-6)


def test_lbfgs_fits_in_growing_windows() -> None:
    batch, states = rotation(n_observations=13)
    fitted = fit_one(field(), batch, guess_from(0.9 * states), settings("lbfgs", SOLVERS["rk4"], max_step=0.25, iterations=10))
    assert fitted.loss < 0.01
    assert fitted.intervals == 12


@pytest.mark.parametrize("stop", [OutOfTime(), KeyboardInterrupt()])
@pytest.mark.parametrize("optimizer", ["levenberg-marquardt", "lbfgs"])
def test_a_stopped_fit_keeps_the_best_parameters_so_far(optimizer: str, stop: BaseException) -> None:
    batch, states = rotation(n_observations=13)
    vector_field = field()
    told: list[float] = []

    def report(_: int, loss: float, __: int, stage: str) -> None:
        told.append(loss)
        if stage == "windows of 2" and sum(1 for _ in told) >= 4:
            raise stop

    fitted = fit_one(vector_field, batch, guess_from(0.8 * states), settings(optimizer, SOLVERS["rk4"], max_step=0.5), report)
    assert fitted.status == ("time_budget" if isinstance(stop, OutOfTime) else "interrupted")
    assert fitted.loss == told[-1]  # the stage that was stopped, not the one before
    assert fitted.intervals == 2 and fitted.n_evaluations > 0
    held = parameters_to_vector(vector_field.parameters()).detach()
    assert torch.equal(fitted.theta, held)
    runs = SOLVERS["rk4"].integrate(vector_field, fitted.states[:, 0], batch.time[:, :3], batch.inputs, 0.5).detach()
    torch.testing.assert_close(runs[:, :2], fitted.states[:, :2], rtol=0, atol=1e-10)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_time_is_checked_after_steps_that_gain_nothing_too(optimizer: str) -> None:
    batch, states = rotation(n_observations=13)
    told: list[str] = []
    checks: list[int] = []

    def check() -> None:
        checks.append(len(told))
        if len(checks) > 1 and checks[-1] == checks[-2]:  # nothing was told of this round
            raise OutOfTime

    how = settings(optimizer, SOLVERS["rk4"], max_step=0.5)
    random, tell = [torch.Generator()], lambda *told_: told.append(told_[-1])
    fitted = fit_fields([field()], batch, (0, 1), guess_from(states), how, random, tell, check_time=check)
    assert fitted.status.tolist() == [STATUSES.index("time_budget")]
    assert checks[-1] == len(told)


@pytest.mark.parametrize("stop", [OutOfTime(), KeyboardInterrupt()])
@pytest.mark.parametrize("optimizer", ["levenberg-marquardt", "lbfgs", "adam"])
def test_a_fit_that_is_ended_in_the_midst_of_a_round_keeps_the_best_parameters_so_far(optimizer: str, stop: BaseException) -> None:
    batch, states = rotation(n_observations=13)
    vector_field = field()
    told: list[float] = []
    looks: list[int] = []

    def report(_: int, loss: float, __: int, stage: str) -> None:
        looks.clear()
        if stage == "windows of 2":
            told.append(loss)

    def check() -> None:
        looks.append(1)
        if len(told) == 3 and len(looks) == 5:  # the round is over with one look
            raise stop

    how = settings(optimizer, SOLVERS["rk4"], max_step=0.5)
    fitted = fit_one(vector_field, batch, guess_from(0.8 * states), how, report, check_time=check)
    assert len(looks) == 5 and fitted.status == ("time_budget" if isinstance(stop, OutOfTime) else "interrupted")
    assert fitted.loss == told[-1] and len(told) == 3 and fitted.intervals == 2
    assert torch.equal(fitted.theta, parameters_to_vector(vector_field.parameters()).detach())
    runs = SOLVERS["rk4"].integrate(vector_field, fitted.states[:, 0], batch.time[:, :3], batch.inputs, 0.5).detach()
    torch.testing.assert_close(runs[:, :2], fitted.states[:, :2], rtol=0, atol=1e-10)


def test_a_fit_is_not_ended_before_it_got_on() -> None:
    batch, states = rotation(n_observations=13)
    told: list[str] = []

    def check() -> None:
        raise OutOfTime

    fitted = fit_one(
        field(),
        batch,
        guess_from(states),
        settings("levenberg-marquardt", SOLVERS["rk4"]),
        lambda *row: told.append(row[-1]),
        check_time=check,
    )
    assert fitted.status == "time_budget" and told == ["warm start"]


def test_a_fit_stopped_in_its_warm_start_keeps_the_match() -> None:
    batch, states = rotation()
    vector_field = field()

    def report(epoch: int, *_: object) -> None:
        if epoch == 5:
            raise StopFit

    fitted = fit_one(vector_field, batch, guess_from(states), settings("levenberg-marquardt", SOLVERS["rk4"]), report)
    assert fitted.status == "stopped" and fitted.n_iterations == 5 and math.isinf(fitted.loss)
    torch.testing.assert_close(jacobian(vector_field), MATRIX, rtol=0, atol=0.05)


def test_a_fit_interrupted_while_it_takes_a_stage_over_keeps_that_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, states = rotation()
    vector_field = field()
    stage, calls = Stages._integrate, list[int]()

    def interrupted(self: Stages, *arguments: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:  # each stage integrates once to draw its windows, and once to lay its states over the record
            raise KeyboardInterrupt
        return stage(self, *arguments)

    monkeypatch.setattr(Stages, "_integrate", interrupted)
    fitted = fit_one(vector_field, batch, guess_from(states), settings("levenberg-marquardt", SOLVERS["rk4"], max_step=0.05))
    assert fitted.status == "interrupted" and fitted.intervals == 12
    runs = SOLVERS["rk4"].integrate(vector_field, fitted.states[:, 0], batch.time[:, :13], batch.inputs, 0.05).detach()
    torch.testing.assert_close(runs[:, :12], fitted.states[:, :12], rtol=0, atol=1e-10)


def test_the_stage_that_judges_best_is_kept_and_what_was_spent_stays_spent() -> None:
    batch, states = rotation()
    vector_field = field()
    judged: list[int] = []
    epochs: list[int] = []

    def judge(fitted: One) -> float:
        judged.append(fitted.intervals)
        return abs(fitted.intervals - 12)

    fitted = fit_one(
        vector_field,
        batch,
        guess_from(states),
        settings("levenberg-marquardt", SOLVERS["rk4"], max_step=0.05),
        lambda epoch, *_: epochs.append(epoch),
        judge,
    )
    assert judged == [4, 12, 24]
    assert fitted.intervals == 12 and fitted.n_iterations == epochs[-1] == len(epochs)

    def until(epoch: int, _: float, __: int, stage: str) -> None:
        if stage == "windows of 24":
            raise StopFit

    stopped = fit_one(field(), batch, guess_from(states), settings("levenberg-marquardt", SOLVERS["rk4"]), until, judge)
    assert stopped.intervals == 12 and stopped.status == "stopped"


def test_a_solver_error_that_is_too_large_makes_the_steps_smaller() -> None:
    batch, states = rotation()
    coarse = fit_one(field(), batch, guess_from(states), settings("levenberg-marquardt", SOLVERS["midpoint"]))
    assert coarse.max_step < 0.25 and math.log2(0.25 / coarse.max_step) == round(math.log2(0.25 / coarse.max_step))
    fine = fit_one(field(), batch, guess_from(states), settings("levenberg-marquardt", SOLVERS["rk5"], max_step=0.1))
    assert fine.max_step == 0.1
    assert fine.solver_error < 1e-5
    batch, states = rotation(n_observations=5)
    implicit = fit_one(field(), batch, guess_from(states), settings("lbfgs", SOLVERS["implicit-midpoint"], max_step=0.5, iterations=2))
    assert implicit.max_step < 0.5


def test_the_solver_error_is_that_of_the_final_steps() -> None:
    batch, states = rotation(n_observations=13)
    quick = replace(settings("levenberg-marquardt", SOLVERS["euler"], max_step=0.5), max_iterations=8)
    vector_field = field()
    fitted = fit_one(vector_field, batch, guess_from(states), quick)
    assert fitted.max_step == 0.5 / 16
    vector_to_parameters(fitted.theta, vector_field.parameters())
    runs = [
        SOLVERS["euler"].integrate(vector_field, fitted.states[:, 0], batch.time, batch.inputs, step).detach()
        for step in (fitted.max_step, fitted.max_step / 8)
    ]
    assert fitted.solver_error == pytest.approx(float((runs[0] - runs[1]).square().mean().sqrt()), rel=1e-6)
    assert fitted.solver_error > 1e-3


def test_a_line_search_goes_on_where_a_trial_has_no_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, states = rotation(n_observations=9)
    cost, calls = DescentProblem.cost, iter(range(10_000))

    def broken(self: DescentProblem, *arguments: Any) -> torch.Tensor:
        return cost(self, *arguments) * (torch.nan if next(calls) == 1 else 1.0)

    monkeypatch.setattr(DescentProblem, "cost", broken)
    fitted = fit_one(field(), batch, guess_from(states), settings("lbfgs", SOLVERS["rk4"], iterations=10))
    assert fitted.loss < 0.1


@pytest.mark.parametrize("solver", ["euler", "implicit-midpoint"])
def test_the_solver_error_is_measured_and_mended_between_close_observations(solver: str) -> None:
    batch, states = rotation(n_observations=5)
    optimiser = "levenberg-marquardt" if solver == "euler" else "lbfgs"
    fitted = fit_one(field(), batch, guess_from(states), settings(optimiser, SOLVERS[solver], max_step=30.0, iterations=2))
    assert fitted.solver_error > 0
    assert fitted.max_step < float(batch.time.diff().max())


def test_an_adaptive_solver_is_measured_against_tighter_tolerances() -> None:
    batch, states = rotation(n_observations=4)
    loose = FitSettings("lbfgs", AdaptiveSolver("dopri5", rtol=1e-2, atol=1e-3), 0.5, 0, 1e-3)
    fitted = fit_one(field(), batch, guess_from(states), loose)
    assert 1e-6 < fitted.solver_error < 0.1
    tight = fit_one(field(), batch, guess_from(states), replace(loose, solver=get_solver("dopri5")))
    assert 0 < tight.solver_error < 1e-6
    assert loose.solver.sharpened(0.5, 10) == (AdaptiveSolver("dopri5", rtol=1e-3, atol=1e-4), 0.5)
    assert SOLVERS["leapfrog"].sharpened(0.5, 10) == (SOLVERS["leapfrog"], 0.05)


def test_an_unobserved_velocity_is_recovered() -> None:
    """x'' = -x with positions alone; the guess of the velocity is off by one."""
    vector_field = SecondOrderField(1, 0, (3,), "tanh").double()
    with torch.no_grad():
        for parameter in vector_field.parameters():
            parameter.zero_()
        vector_field.net.linear.weight.copy_(torch.tensor([[-1.0, 0.0]]))
    time = torch.linspace(0, 8, 41, dtype=torch.float64).expand(2, -1).clone()
    time[1, 30:] = NAN
    phase = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    values = torch.cos(time + phase)[..., None]
    values[0, 3] = NAN
    truth = torch.cat([torch.cos(phase), -torch.sin(phase)], dim=1)
    guess = truth + torch.tensor([[0.05, 1.0]], dtype=torch.float64)
    free, variance = torch.tensor([1e-3, 1e-3], dtype=torch.float64), torch.tensor([1e-4], dtype=torch.float64)
    batch = Batch(time, values, no_samples(time))
    torch.testing.assert_close(estimate_initial_states(vector_field, batch, (0,), guess, free, variance, 0.1), truth, rtol=0, atol=1e-4)
    held = torch.tensor([1e-3, 1e12], dtype=torch.float64)
    kept = estimate_initial_states(vector_field, batch, (0,), guess, held, variance, 0.1)
    torch.testing.assert_close(kept[:, 1], guess[:, 1], rtol=0, atol=1e-4)
    first = estimate_initial_states(vector_field, batch.first(2), (0,), guess, free, variance, 0.1)
    torch.testing.assert_close(first[:, 1], truth[:, 1], rtol=0, atol=0.05)
