"""Stages that look at some windows only, and the windows that they leave out."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parameters_to_vector
from training_records import NAN, field, fit_one, guess_from, rotation, settings, silent

from physode.fields import stack
from physode.solvers import SOLVERS
from physode.training import stages
from physode.training.journal import Journal
from physode.training.sampling import RESIDUALS_PER_PARAMETER, draw_windows, fill_in
from physode.training.windows import cut_windows


def test_enough_windows_are_drawn_and_all_of_a_small_record() -> None:
    random = torch.Generator().manual_seed(0)
    squares = torch.ones(1, 1000, 5, 2)
    squares[:, ::2, 1:] = NAN  # 500 windows of 2 measurements, 500 of 10
    drawn = draw_windows(squares, 10, random)
    held = int((~squares[0, drawn].isnan()).sum())
    assert 10 * RESIDUALS_PER_PARAMETER <= held < 10 * RESIDUALS_PER_PARAMETER + 10
    assert torch.equal(drawn, drawn.unique())
    assert torch.equal(draw_windows(squares[:, :30], 10, random), torch.arange(30))


def test_windows_that_are_followed_worse_are_drawn_more_often() -> None:
    random = torch.Generator().manual_seed(0)
    squares = torch.full((1, 4000, 5, 2), 1e-4)
    squares[:, :1000] = 1e-2  # ten times the residual: ten draws of thirteen
    squares[:, 0] = torch.inf
    drawn = draw_windows(squares, 5, random)
    assert len(drawn) == 10
    many = torch.cat([draw_windows(squares, 5, random) for _ in range(100)])
    assert float((many < 1000).double().mean()) == pytest.approx(10 / 13, abs=0.05)
    assert int((many == 0).sum()) == pytest.approx(52, abs=15)  # 1 - (1 - 10 / 140)^10, not the 0.7 of its like


def test_windows_left_out_are_filled_in_by_the_field() -> None:
    batch, states = rotation()
    vector_field = field()
    fit_one(vector_field, batch, guess_from(states), settings("levenberg-marquardt", SOLVERS["rk4"]))
    windows = cut_windows(batch, 6)
    truth = windows.pick_initial(states[None])
    drawn = torch.tensor([0, 3])
    off, found = truth + 0.3, torch.full((1, 2, 2), 7.0, dtype=torch.float64)
    weak, variance = torch.full_like(truth[0], 1e-3), torch.full((1, 2), 1e-4, dtype=torch.float64)
    initial = fill_in(stack([vector_field]), windows, drawn, found, (0, 1), off, weak, variance, 0.25)
    assert torch.equal(initial[:, drawn], found)
    rest = torch.tensor([k for k in range(truth.shape[1]) if k not in (0, 3)])
    torch.testing.assert_close(initial[:, rest], truth[:, rest], rtol=0, atol=1e-3)


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many measurements each stage from now on looks at."""
    looked: list[int] = []
    real = stages.ShootingProblem.__post_init__

    def note(problem: stages.ShootingProblem) -> None:
        real(problem)
        looked.append(int(problem.counts.sum()))

    monkeypatch.setattr(stages.ShootingProblem, "__post_init__", note)
    return looked


def test_a_large_record_is_sampled_first_and_used_whole_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its noise is recovered better than any sample could."""
    looked = looked_at(monkeypatch)
    batch, states = rotation(noise=0.05, n_observations=200, duration=10.0, n_trajectories=6)
    vector_field = field()
    fitted = fit_one(vector_field, batch, guess_from(states), settings("levenberg-marquardt", SOLVERS["rk4"]))
    n_parameters = len(parameters_to_vector(vector_field.parameters()))
    enough = RESIDUALS_PER_PARAMETER * n_parameters
    assert all(enough <= count < 1.3 * enough for count in looked[:2])
    assert looked[-1] >= batch.values.numel() > 2 * enough
    assert fitted.intervals == 199
    torch.testing.assert_close(fitted.noise, torch.full((2,), 0.05, dtype=torch.float64), rtol=0.05, atol=0)
    assert float((fitted.states - states).square().mean().sqrt()) < 0.005


def test_the_first_windows_start_where_all_states_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, states = rotation(noise=0.01, n_observations=100, duration=20.0)
    guess = guess_from(states)
    guess.derivatives[0, 1, 30:70] = torch.nan
    batch.values[1, 30:70, 0] = torch.nan
    how = settings("levenberg-marquardt", SOLVERS["rk4"])
    stage = stages.Stages([field()], batch, (0, 1), guess, how, [torch.Generator()], silent, Journal(None, {}, {}))
    stage.warm_start()
    looked, expected = looked_at(monkeypatch), []
    for length in (9, 27):
        stage.shoot(length, torch.tensor([0]))
        windows = cut_windows(batch, length)
        starts = windows.columns[:, 0]
        left_out = (windows.rows == 1) & (starts >= 30) & (starts < 70) & (length == 9)
        assert left_out.sum() == (4 if length == 9 else 0)
        expected.append(int(windows.batch.mask[~left_out].sum()))
    assert looked == expected
    assert float((stage.fitted.states - states).square().mean().sqrt()) < 0.01


def test_a_field_that_loses_the_windows_left_out_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first record stands still but for noise: nothing holds a field that sees it alone, and all are fitted in its place."""
    batch, states = rotation(noise=0.01, n_trajectories=4)
    batch.values[0] -= states[0]
    states[0] = 0.0
    how = settings("levenberg-marquardt", SOLVERS["rk4"])
    stage = stages.Stages([field()], batch, (0, 1), guess_from(states), how, [torch.Generator()], silent, Journal(None, {}, {}))
    stage.warm_start()
    looked = looked_at(monkeypatch)
    monkeypatch.setattr(stages, "draw_windows", lambda *_: torch.tensor([0]))
    intervals = int(batch.time.shape[1]) - 1
    went_well = stage.shoot(intervals, torch.tensor([0]))
    assert went_well.tolist() == [0]
    assert looked == [batch.values[0].numel(), batch.values.numel()]
    assert not bool(stage.fitted.sampled) and float(stage.fitted.loss) < 0.011
    assert int(stage.fitted.intervals) == intervals
