"""Every solver reaches known solutions at its order, and the structure-preserving ones keep the energy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from known_fields import Driven, Linear, Oscillator, Pendulum, Sine, no_inputs, sine_input
from torch import Tensor

from physode.fields import AbstractField
from physode.solvers import SOLVERS
from physode.solvers.adaptive import ADAPTIVE, AdaptiveSolver
from physode.solvers.runge_kutta import RUNGE_KUTTA

MATRIX = [[-0.3, 1.0, 0.2], [-1.1, -0.2, 0.4], [0.3, -0.5, -0.6]]
ORDERS = {**{name: tableau.order for name, tableau in RUNGE_KUTTA.items()}, "leapfrog": 2, "implicit-midpoint": 2}
END = 2.0


def linear() -> tuple[AbstractField, Tensor, Tensor]:
    initial = torch.tensor([[1.0, -0.5, 0.7]], dtype=torch.float64)
    return Linear(MATRIX), initial, initial @ torch.linalg.matrix_exp(END * torch.tensor(MATRIX, dtype=torch.float64)).T


def sine() -> tuple[AbstractField, Tensor, Tensor]:
    initial = torch.tensor([[0.8]], dtype=torch.float64)
    return Sine(), initial, 2 * torch.atan(torch.tan(initial / 2) * math.exp(END))


def oscillator() -> tuple[AbstractField, Tensor, Tensor]:
    initial = torch.tensor([[1.0, 0.4]], dtype=torch.float64)
    c, s = math.cos(END), math.sin(END)
    return Oscillator(), initial, torch.tensor([[c + 0.4 * s, 0.4 * c - s]], dtype=torch.float64)


PROBLEMS = {"linear": linear, "sine": sine, "oscillator": oscillator}


def error_at(solver: str, problem: str, steps: int) -> float:
    field, initial, exact = PROBLEMS[problem]()
    time = torch.tensor([[0.0, END]], dtype=torch.float64)
    with torch.no_grad():
        states = SOLVERS[solver].integrate(field, initial, time, no_inputs, END / steps)
    assert states.shape == (1, 2, field.n_states)
    return float((states[:, 1] - exact).norm())


def test_every_solver_is_tested_here() -> None:
    assert set(SOLVERS) == set(ORDERS) | set(ADAPTIVE)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("solver", ORDERS)
def test_order_of_convergence(solver: str, problem: str) -> None:
    if solver == "leapfrog" and problem != "oscillator":
        pytest.skip("leapfrog needs positions and momenta")
    steps = np.array({1: [128, 256, 512], 2: [16, 32, 64]}.get(ORDERS[solver], [16, 32, 64]))
    errors = [error_at(solver, problem, int(n)) for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope > ORDERS[solver] - 0.2
    if problem != "sine":  # where the leading error of the fifth-order method happens to be small
        assert slope < ORDERS[solver] + 0.2


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", ADAPTIVE)
def test_adaptive_methods_follow_their_tolerance(method: str, problem: str) -> None:
    field, initial, exact = PROBLEMS[problem]()
    time = torch.tensor([[0.0, 0.3, END]], dtype=torch.float64)
    errors = []
    for rtol in (1e-3, 1e-5):
        solver = AdaptiveSolver(method, rtol=rtol, atol=rtol / 100)
        with torch.no_grad():
            errors.append(float((solver.integrate(field, initial, time, no_inputs, 1.0)[:, 2] - exact).norm()))
    assert errors[0] < 1e-2
    assert errors[1] < 1e-4
    assert errors[1] < max(0.2 * errors[0], 5e-6)


@pytest.mark.parametrize("method", ["dopri5", "dopri8", "bosh3"])
def test_adaptive_methods_meet_their_tolerance_at_the_observations_by_default(method: str) -> None:
    """Steps end at the observations: between them torchdiffeq interpolates, with errors a hundred times the tolerance."""
    time = torch.linspace(0.0, 6.0, 9, dtype=torch.float64)[None]
    with torch.no_grad():
        states = SOLVERS[method].integrate(Oscillator(), torch.tensor([[1.0, 0.0]], dtype=torch.float64), time, no_inputs, 1.0)
    torch.testing.assert_close(states[..., 0], torch.cos(time), rtol=0, atol=1e-6)


@pytest.mark.parametrize("solver", sorted(set(SOLVERS) - {"adaptive_heun"}))
def test_time_and_inputs_are_read_at_the_right_nodes(solver: str) -> None:
    """z' = cos t, and an oscillator driven by sin 2t, from a start that is not zero."""
    start = 0.7
    time = torch.tensor([[start, 1.0, 2.5]], dtype=torch.float64)
    tolerance = {"euler": 0.06, "midpoint": 5e-4, "leapfrog": 6e-4, "implicit-midpoint": 6e-4}.get(solver, 2e-6)
    if solver != "leapfrog":
        states = SOLVERS[solver].integrate(Driven(), torch.zeros(1, 1, dtype=torch.float64), time, no_inputs, 0.03)
        torch.testing.assert_close(states[0, :, 0].detach(), torch.sin(time[0]) - math.sin(start), rtol=0, atol=tolerance)
    # q'' = -q + sin 2t has the particular solution -sin(2t) / 3.
    initial = torch.tensor([[-math.sin(2 * start) / 3, -2 * math.cos(2 * start) / 3]], dtype=torch.float64)
    states = SOLVERS[solver].integrate(Oscillator(1), initial, time, sine_input, 0.03)
    torch.testing.assert_close(states[0, :, 0].detach(), -torch.sin(2 * time[0]) / 3, rtol=0, atol=tolerance)


def energy_errors(solver: str, periods: int, step: float) -> np.ndarray:
    """Error of a pendulum's energy after each step, over so many periods of small swings."""
    time = step * torch.arange(round(2 * math.pi * periods / step) + 1, dtype=torch.float64)[None]
    with torch.no_grad():
        states = SOLVERS[solver].integrate(Pendulum(), torch.tensor([[1.2, 0.0]], dtype=torch.float64), time, no_inputs, step)
    q, p = states[0].numpy().T
    return p**2 / 2 - np.cos(q) + math.cos(1.2)


@pytest.mark.parametrize(("solver", "periods", "step"), [("leapfrog", 1000, 0.8), ("implicit-midpoint", 200, 0.9)])
def test_symplectic_solvers_keep_the_energy_bounded_without_a_trend(solver: str, periods: int, step: float) -> None:
    error = energy_errors(solver, periods, step)
    largest, half = np.abs(error).max(), len(error) // 2
    assert 1e-4 < largest < 0.1
    assert np.abs(error[half:]).max() == pytest.approx(np.abs(error[:half]).max(), rel=0.02)
    assert abs(np.polyfit(np.linspace(0, 1, len(error)), error, 1)[0]) < 0.02 * largest


def test_rk4_drifts_where_they_do_not() -> None:
    error = energy_errors("rk4", 100, 0.5)
    drift = [np.mean(quarter) for quarter in np.array_split(error, 4)]
    np.testing.assert_allclose(np.diff(drift), drift[1] - drift[0], rtol=0.1)
    assert error[-1] < -0.08
