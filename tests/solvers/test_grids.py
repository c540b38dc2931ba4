"""Steps pass through the observations of every trajectory, and a batch is its trajectories one by one."""

from __future__ import annotations

import math

import pytest
import torch
from known_fields import Explosion, Linear, Oscillator, no_inputs
from torch import Tensor

from physode.errors import DataError, FitError, UnknownNameError
from physode.fields import HamiltonianField
from physode.solvers import SOLVERS, get_solver
from physode.solvers.adaptive import ADAPTIVE, AdaptiveSolver
from physode.solvers.fixed import RungeKuttaSolver
from physode.solvers.grid import step_grid
from physode.solvers.rollout_solver import by_hand

IRREGULAR = torch.tensor(
    [[0.5, 0.6, 1.3, 2.05, 2.1], [-1.0, 0.0, 0.31, math.nan, math.nan], [3.0, math.nan, math.nan, math.nan, math.nan]], dtype=torch.float64
)


@pytest.mark.parametrize("max_step", [0.07, 0.25, 10.0])
def test_a_grid_hits_every_observation_with_equal_steps_between(max_step: float) -> None:
    grid = step_grid(IRREGULAR, max_step)
    valid = IRREGULAR.isfinite()
    torch.testing.assert_close(grid.time.gather(1, grid.index)[valid], IRREGULAR[valid], rtol=0, atol=1e-14)
    assert float(grid.step.max()) <= max_step * (1 + 1e-9)
    for row, time in enumerate(IRREGULAR):
        known = time[time.isfinite()]
        for k, gap in enumerate(known.diff().tolist()):
            steps = grid.step[row, grid.index[row, k] : grid.index[row, k + 1]]
            assert len(steps) == max(1, math.ceil(gap / max_step - 1e-9))
            torch.testing.assert_close(steps, torch.full_like(steps, gap / len(steps)), rtol=1e-14, atol=0)
        assert float(grid.step[row, grid.index[row, -1] :].sum()) == 0


def test_a_grid_counts_its_steps_exactly() -> None:
    grid = step_grid(torch.tensor([[0.0, 0.3, 0.4], [0.0, 0.1, math.nan]], dtype=torch.float64), 0.1)
    assert grid.index.tolist() == [[0, 3, 4], [0, 1, 1]]
    torch.testing.assert_close(grid.step, torch.tensor([[0.1, 0.1, 0.1, 0.1], [0.1, 0.0, 0.0, 0.0]], dtype=torch.float64))


def test_a_single_observation_is_its_initial_state() -> None:
    time, initial = torch.tensor([[2.0]], dtype=torch.float64), torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    grid = step_grid(time, 0.1)
    assert grid.step.shape == (1, 0)
    assert grid.index.tolist() == [[0]]
    assert grid.time.tolist() == [[2.0]]
    for solver in SOLVERS.values():
        assert solver.integrate(Oscillator(), initial, time, no_inputs, 0.1).tolist() == [[[0.3, 0.4]]]


FIXED = sorted(set(SOLVERS) - set(ADAPTIVE))


@pytest.mark.parametrize("solver", FIXED)
def test_a_batch_equals_its_trajectories_one_by_one(solver: str) -> None:
    field = Oscillator()
    initial = torch.tensor([[1.0, 0.0], [-0.3, 0.8], [0.2, 0.1]], dtype=torch.float64)
    with torch.no_grad():
        together = SOLVERS[solver].integrate(field, initial, IRREGULAR, no_inputs, 0.1)
        for row in range(3):
            known = IRREGULAR[row : row + 1, : int(IRREGULAR[row].isfinite().sum())]
            alone = SOLVERS[solver].integrate(field, initial[row : row + 1], known, no_inputs, 0.1)[0]
            torch.testing.assert_close(together[row, : len(alone)], alone, rtol=0, atol=1e-12)
            torch.testing.assert_close(together[row, len(alone) :], alone[-1:].expand(5 - len(alone), -1), rtol=0, atol=1e-12)
    torch.testing.assert_close(together[:, 0], initial, rtol=0, atol=0)


def test_an_adaptive_solver_repeats_the_last_state_where_a_trajectory_has_ended() -> None:
    time = torch.tensor([[1.0, 1.5, 2.5, 3.0], [4.0, 4.5, math.nan, math.nan]], dtype=torch.float64)
    initial = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    with torch.no_grad():
        states = SOLVERS["dopri5"].integrate(Oscillator(), initial, time, no_inputs, 0.1)
        padded = SOLVERS["dopri5"].integrate(Oscillator(), initial, torch.cat([time, time[:, :2] * torch.nan], dim=1), no_inputs, 0.1)
    elapsed = time[0] - 1
    torch.testing.assert_close(states[0], torch.stack([torch.cos(elapsed), -torch.sin(elapsed)], dim=1), rtol=0, atol=1e-6)
    torch.testing.assert_close(states[1, :2, 0], torch.sin(elapsed[:2]), rtol=0, atol=1e-6)
    assert states.shape == (2, 4, 2)
    torch.testing.assert_close(padded[:, :4], states, rtol=0, atol=0)
    torch.testing.assert_close(padded[:, 4:], states[:, 3:].expand(-1, 2, -1), rtol=0, atol=0)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_an_adaptive_solver_takes_trajectories_with_times_of_their_own(method: str) -> None:
    time = torch.tensor([[1.0, 1.5, 2.5, 3.0], [4.0, 4.6, 4.7, math.nan]], dtype=torch.float64)
    tolerance = {"adaptive_heun": 1e-5, "bosh3": 1e-6}.get(method, 1e-9)
    initial = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    with torch.no_grad():
        states = AdaptiveSolver(method, rtol=tolerance, atol=tolerance / 100).integrate(Oscillator(), initial, time, no_inputs, 0.1)
    first, second = time[0] - 1, (time[1] - 4).nan_to_num(0.7)
    torch.testing.assert_close(states[0], torch.stack([torch.cos(first), -torch.sin(first)], dim=1), rtol=0, atol=30 * tolerance)
    torch.testing.assert_close(states[1], torch.stack([torch.sin(second), torch.cos(second)], dim=1), rtol=0, atol=30 * tolerance)


def test_clocks_that_differ_by_the_rounding_of_their_start_are_one() -> None:
    time = 1.7e9 + (torch.tensor([[0.0], [1000.37]], dtype=torch.float64) + torch.linspace(0, 1, 4, dtype=torch.float64))
    assert not torch.equal(*(time - time[:, :1]))
    states = SOLVERS["dopri5"].integrate(Oscillator(), torch.ones(2, 2, dtype=torch.float64), time, no_inputs, 0.1)
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("solver", FIXED)
def test_steps_of_fixed_size_do_not_go_backwards(solver: str) -> None:
    time = torch.tensor([[0.0, 1.0, 2.0], [4.0, 3.0, 2.0]], dtype=torch.float64)
    for one in (SOLVERS[solver], by_hand(SOLVERS[solver])):
        with pytest.raises(DataError, match=r"the times go backwards, from 4 to 3 in row 1; sort them"):
            one.integrate(Oscillator(), torch.zeros(2, 2, dtype=torch.float64), time, no_inputs, 0.1)


@pytest.mark.parametrize(
    ("solver", "start"), [("dopri5", 2.0), ("dopri5", 1e300), ("rk4", 2.0), ("rk4", 1e300), ("implicit-midpoint", 1e300)]
)
def test_an_explosion_gives_numbers_that_are_not_finite_and_no_exception(solver: str, start: float) -> None:
    time = torch.tensor([[0.0, 3.0]], dtype=torch.float64)
    initial = torch.tensor([[start]], dtype=torch.float64)
    states: Tensor = SOLVERS[solver].integrate(Explosion(), initial, time, no_inputs, 0.02).detach()
    assert states.shape == (1, 2, 1)
    assert not bool(states[:, 1].isfinite().any())


def test_leapfrog_refuses_a_field_that_does_not_split() -> None:
    message = r"leapfrog needs a field that splits .*, and this one does not; use solver='implicit-midpoint', or .* separable=True"
    with pytest.raises(FitError, match=message):
        SOLVERS["leapfrog"].integrate(
            HamiltonianField(1, 0, (3,), "tanh").double(),
            torch.zeros(1, 2, dtype=torch.float64),
            torch.tensor([[0.0, 1.0]], dtype=torch.float64),
            no_inputs,
            0.5,
        )
    with pytest.raises(FitError, match="and this one does not"):
        SOLVERS["leapfrog"].integrate(
            Linear([[0.0, 1.0], [-1.0, 0.0]]), torch.zeros(1, 2, dtype=torch.float64), IRREGULAR[:1], no_inputs, 0.5
        )


def test_the_registry_finds_solvers_and_names_its_choices() -> None:
    assert isinstance(get_solver("rk4"), RungeKuttaSolver)
    assert get_solver("dopri5") is SOLVERS["dopri5"]
    assert get_solver("bosh3", gradient="adjoint") == AdaptiveSolver("bosh3", "adjoint")
    with pytest.raises(UnknownNameError, match=r"unknown solver 'rk44'; did you mean 'rk4'\? Choose from: adaptive_heun, bosh3, dopri5"):
        get_solver("rk44")
    choices = "adjoint, backprop, interpolated-adjoint, second-order-adjoint"
    with pytest.raises(UnknownNameError, match=rf"unknown gradient 'adjunct'; did you mean 'adjoint'\? Choose from: {choices}\."):
        get_solver("dopri5", gradient="adjunct")
    with pytest.raises(FitError, match=r"gradient='adjoint' needs an adaptive solver \(dopri5, .*\), and solver is 'rk4'\."):
        get_solver("rk4", gradient="adjoint")
