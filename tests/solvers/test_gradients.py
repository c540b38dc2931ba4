"""Derivatives of trajectories: by hand, by backpropagation and by the adjoint, against finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from known_fields import Pendulum, no_inputs
from torch import Tensor
from torch.nn.utils import vector_to_parameters

from physode.fields import FirstOrderField
from physode.solvers import SOLVERS, AbstractSolver
from physode.solvers.adaptive import ADAPTIVE, AdaptiveSolver
from physode.solvers.grid import step_grid
from physode.solvers.registry import GRADIENTS
from physode.solvers.runge_kutta import RUNGE_KUTTA, integrate_runge_kutta
from physode.solvers.sensitivity import trajectory_derivatives

TIMES = torch.tensor([[0.0, 0.4, 0.5, 1.1], [0.3, 1.0, math.nan, math.nan]], dtype=torch.float64)


def cosine_input(time: Tensor, inside: Tensor | None = None) -> Tensor:
    return torch.cos(time)[..., None]


@pytest.mark.parametrize("method", RUNGE_KUTTA)
def test_sensitivities_equal_finite_differences(method: str) -> None:
    torch.manual_seed(0)
    field = FirstOrderField(2, 1, (3,), "tanh").double()
    theta = torch.randn(sum(p.numel() for p in field.parameters()), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    initial = torch.tensor([[0.5, -0.2], [0.1, 0.9]], dtype=torch.float64)
    grid, tableau = step_grid(TIMES, 0.15), RUNGE_KUTTA[method]

    def reached(start: Tensor, parameters: Tensor) -> Tensor:
        vector_to_parameters(parameters, field.parameters())
        states = integrate_runge_kutta(tableau, field, start, grid, cosine_input).states
        return states.gather(1, grid.index[..., None].expand(-1, -1, 2))

    def differences(function: Callable[[Tensor], Tensor], size: int) -> Tensor:
        steps = 1e-5 * torch.eye(size, dtype=torch.float64)
        return torch.stack([(function(step) - function(-step)) / 2e-5 for step in steps], dim=-1)

    with torch.no_grad():
        reached(initial, theta)
        stages = integrate_runge_kutta(tableau, field, initial, grid, cosine_input)
        by_initial, by_parameters = trajectory_derivatives(tableau, field, stages, grid)
        of_initial = differences(lambda step: reached(initial + step, theta), 2)
        of_parameters = differences(lambda step: reached(initial, theta + step), len(theta))
    assert by_initial.shape == (2, 4, 2, 2)
    assert by_parameters.shape == (2, 4, 2, len(theta))
    torch.testing.assert_close(by_initial, of_initial, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(by_parameters, of_parameters, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(by_initial[:, 0], torch.eye(2, dtype=torch.float64).expand(2, 2, 2), rtol=0, atol=0)
    torch.testing.assert_close(by_parameters[1, 2:], by_parameters[1, 1:2].expand(2, -1, -1), rtol=0, atol=0)


def loss_at(solver: AbstractSolver, point: Tensor) -> tuple[Tensor, Tensor]:
    """A pendulum's loss and its gradient by the initial state and the stiffness."""
    field = Pendulum()
    with torch.no_grad():
        field.stiffness.copy_(point[2])
    initial = point[None, :2].clone().requires_grad_()
    states = solver.integrate(field, initial, TIMES[:1], no_inputs, 0.1)
    weights = torch.tensor([[0.0, 0.0], [1.0, -0.5], [0.3, 2.0], [-1.0, 0.7]], dtype=torch.float64)
    loss = (weights * states[0]).sum() + states.square().sum()
    by_initial, by_stiffness = torch.autograd.grad(loss, [initial, field.stiffness])
    return loss.detach(), torch.cat([by_initial[0], by_stiffness[None]])


POINT = torch.tensor([0.9, -0.3, 1.4], dtype=torch.float64)


@pytest.mark.parametrize("solver", sorted(set(SOLVERS) - set(ADAPTIVE)))
def test_gradients_through_fixed_steps_equal_finite_differences(solver: str) -> None:
    _, gradient = loss_at(SOLVERS[solver], POINT)
    steps = 1e-5 * torch.eye(3, dtype=torch.float64)
    expected = torch.stack([(loss_at(SOLVERS[solver], POINT + s)[0] - loss_at(SOLVERS[solver], POINT - s)[0]) / 2e-5 for s in steps])
    torch.testing.assert_close(gradient, expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("gradient", [gradient for gradient in GRADIENTS if gradient != "second-order-adjoint"])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_gradients_of_adaptive_methods_equal_those_of_small_steps(method: str, gradient: str) -> None:
    rtol = {"adaptive_heun": 1e-5, "bosh3": 1e-7}.get(method, 1e-10)
    _, found = loss_at(AdaptiveSolver(method, gradient, rtol, rtol / 100), POINT)
    reference = loss_at(SOLVERS["rk5"], POINT)[1]
    torch.testing.assert_close(found, reference, rtol=max(1e-6, 200 * rtol), atol=1e-7)
