"""Networks and records that are too large for second derivatives: what is done in blocks equals what is done at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from training_records import MATRIX, field, fit_one, guess_from, no_samples, rotation, settings, silent

from physode.fields import get_theta, set_theta, stack
from physode.solvers import SOLVERS
from physode.training import gradient_descent, sampling, stages
from physode.training.batch import Batch
from physode.training.evidence import Evidence
from physode.training.gradient_descent import DescentProblem, adam, lbfgs
from physode.training.journal import Journal
from physode.training.levenberg_marquardt import Point
from physode.training.matching import MatchingProblem
from physode.training.matching_descent import match_by_descent
from physode.training.sampling import RESIDUALS_PER_PARAMETER, fill_in
from physode.training.shooting import InitialPrior
from physode.training.windows import Windows, cut_windows


def free(members: int = 1) -> Evidence:
    none = torch.zeros(members, 0, dtype=torch.float64)
    return Evidence(torch.full((members, 2), 0.01, dtype=torch.float64), none, [], torch.ones(2, dtype=torch.bool))


def matching() -> MatchingProblem:
    states = rotation()[1].flatten(0, 1)
    return MatchingProblem(stack([field(), field(seed=1)]), states.expand(2, -1, -1), (states @ MATRIX.T).expand(2, -1, -1), states[:, :0])


def test_slopes_are_matched_without_second_derivatives() -> None:
    problem, both, told = matching(), torch.arange(2), []
    start = get_theta(problem.vector_field)
    tell = {"tolerance": 0.01, "report": lambda point, _: told.append(point.squares.sum())}
    point = match_by_descent(problem, start, free(members=2), iterations=20, **tell)
    assert float((point.squares.sum(1) / problem.counts.sum()).sqrt().max()) < 1e-3
    assert told == sorted(told, reverse=True) and torch.equal(told[-1], point.squares.sum())
    torch.testing.assert_close(problem.evaluate(point.theta, start[:, :0, None], both).squares, point.squares)
    assert problem.n_evaluations > 10
    assert not torch.equal(start, point.theta)
    none = match_by_descent(problem, start, free(members=2), iterations=0, tolerance=0.01, report=silent)
    assert torch.equal(none.theta, start) and float(none.squares.sum()) > 1


def test_the_penalty_holds_matched_parameters_back() -> None:
    sizes = []
    for precision in (1e-6, 1e6):
        problem, evidence = matching(), free(members=2)
        start = get_theta(problem.vector_field)
        evidence.groups, evidence.precision = [torch.arange(start.shape[1])], torch.full((2, 1), precision, dtype=torch.float64)
        sizes.append(float(match_by_descent(problem, start, evidence, iterations=10, tolerance=0.0, report=silent).theta.norm()))
    assert sizes[1] < 0.05 < 1 < sizes[0]


def problem_of(windows: Windows, prior: InitialPrior) -> DescentProblem:
    return DescentProblem(field(), windows.batch, (0, 1), prior, SOLVERS["rk4"], 0.5)


def test_lbfgs_in_blocks_takes_the_steps_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, states = rotation(n_observations=13)
    batch.values[0, 3, 1] = torch.nan  # blocks then hold different numbers of measurements
    windows = cut_windows(batch, 4)
    start = windows.pick_initial(states[None])
    prior = InitialPrior(start + 0.05, torch.full_like(start[0], 1e-4))
    points: list[Point] = []
    for block in (10_000, 6):
        monkeypatch.setattr(gradient_descent, "BLOCK", block)
        points.append(lbfgs(problem_of(windows, prior), prior.mean, free(), iterations=10, tolerance=1e-4, report=silent))
    torch.testing.assert_close(points[0].theta, points[1].theta, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(points[0].initial, points[1].initial, rtol=1e-6, atol=1e-8)


def test_adam_looks_at_a_bounded_number_of_observations(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, states = rotation(n_observations=25)
    seen: set[int] = set()
    real = DescentProblem.loss

    def note(problem: DescentProblem, initial: Tensor, rows: Tensor, evidence: Evidence) -> Tensor:
        seen.add(len(rows))
        return real(problem, initial, rows, evidence)

    monkeypatch.setattr(DescentProblem, "loss", note)
    monkeypatch.setattr(gradient_descent, "MINIBATCH", 15)
    for intervals in (4, 24):
        windows = cut_windows(batch, intervals)
        start = windows.pick_initial(states[None])
        prior = InitialPrior(start, torch.ones_like(start[0]))
        adam(problem_of(windows, prior), start, free(), iterations=5, tolerance=0.0, random=torch.Generator(), report=silent)
    assert seen == {3, 1}


@pytest.mark.parametrize(("run", "iterations"), [(adam, 1), (adam, 7), (lbfgs, 1), (lbfgs, 7)])
def test_as_many_steps_are_taken_as_are_asked_for(run, iterations: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, states = rotation(n_observations=9)
    windows = cut_windows(batch, 8)
    start = windows.pick_initial(states[None])
    prior = InitialPrior(start, torch.zeros_like(start[0]))
    optimiser, asked = {adam: torch.optim.Adam, lbfgs: torch.optim.LBFGS}[run], list[int]()
    real = optimiser.step

    def note(self: torch.optim.Optimizer, *closure: Callable[[], Tensor]) -> object:
        asked.append(self.param_groups[0].get("max_iter", 1))
        return real(self, *closure)

    monkeypatch.setattr(optimiser, "step", note)
    drawn = {"random": torch.Generator()} if run is adam else {}
    run(problem_of(windows, prior), start, free(), iterations=iterations, tolerance=0.0, report=silent, **drawn)
    assert sum(asked) == iterations


def test_windows_are_filled_in_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, states = rotation()
    vector_field = field()
    with torch.no_grad():
        set_theta(vector_field, torch.zeros_like(get_theta(vector_field)))
        vector_field.net.linear.weight.copy_(MATRIX)
    windows = cut_windows(batch, 6)
    truth = windows.pick_initial(states[None])
    drawn, weak, variance = torch.tensor([1]), torch.full_like(truth[0], 1e-3), torch.full((1, 2), 1e-4, dtype=torch.float64)
    found = []
    for block in (10_000, 14):
        monkeypatch.setattr(sampling, "BLOCK", block)
        found.append(fill_in(stack([vector_field]), windows, drawn, truth[:, drawn], (0, 1), truth + 0.3, weak, variance, 0.25))
    torch.testing.assert_close(found[0], truth, rtol=0, atol=1e-3)
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-4)


def test_lbfgs_looks_at_a_bounded_part_of_a_record_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "MOST_COUNTED", 5)
    looked: list[int] = []
    real = DescentProblem.__post_init__

    def note(problem: DescentProblem) -> None:
        real(problem)
        looked.append(int(problem.counts.sum()))

    monkeypatch.setattr(DescentProblem, "__post_init__", note)
    batch, states = rotation(n_observations=60, duration=9.0, n_trajectories=4)
    fitted = fit_one(field(), batch, guess_from(states), settings("lbfgs", SOLVERS["rk4"], iterations=20))
    assert 5 * RESIDUALS_PER_PARAMETER <= looked[0] < 7 * RESIDUALS_PER_PARAMETER
    assert looked[-1] >= batch.values.numel()
    assert float((fitted.states - states).square().mean().sqrt()) < 0.01


def test_no_measurement_at_all_in_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a record with a long gap."""
    monkeypatch.setattr(gradient_descent, "BLOCK", 5)
    batch, states = rotation(n_observations=13)
    values = batch.values.clone()
    values[0, 1:12] = torch.nan
    windows = cut_windows(Batch(batch.time, values, no_samples(batch.time)), 4)
    start = windows.pick_initial(states[None])
    point = lbfgs(
        problem_of(windows, InitialPrior(start, torch.ones_like(start[0]))), start, free(), iterations=20, tolerance=1e-4, report=silent
    )
    assert bool(point.theta.isfinite().all()) and float(point.squares.sum()) < 0.5


def test_a_stage_that_is_given_up_leaves_the_parameters_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, states = rotation(n_observations=13)
    how = settings("lbfgs", SOLVERS["rk4"], iterations=10)
    stage = stages.Stages([field()], batch, (0, 1), guess_from(states), how, [torch.Generator()], silent, Journal(None, {}, {}))
    before = stage.fitted.theta.clone()
    monkeypatch.setattr(stage, "_accept", lambda *_: torch.tensor([False]))
    assert not len(stage.shoot(4, torch.tensor([0])))
    assert torch.equal(stage.fitted.theta, before)
