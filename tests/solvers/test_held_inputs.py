"""Inputs that jump: every solver keeps its order, and every gradient is that of the integration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from known_fields import Linear
from test_adjoints import KINDS, directions, field_of
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from physode.fields import AbstractField
from physode.solvers import SOLVERS, RolloutSolver
from physode.solvers.adaptive import ADAPTIVE, AdaptiveSolver
from physode.solvers.registry import GRADIENTS
from physode.solvers.runge_kutta import RUNGE_KUTTA
from physode.training.batch import SampledInputs

STOPS = torch.tensor([[5.0, 5.3, 6.1, 6.2, 7.0], [5.0, 5.3, 6.1, 6.2, 7.0]], dtype=torch.float64)
FORCE = torch.tensor([[1.0, -2.0, 0.5, 3.0, 7.0], [-1.0, 2.0, 1.0, 0.0, 7.0]], dtype=torch.float64)[..., None]
HELD = SampledInputs(STOPS, FORCE, (True,))


class Forced(AbstractField):
    """q' = p, p' = -q + u, separable; it counts its evaluations."""

    n_states, n_inputs, separable = 2, 1, True

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.calls = 0

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        self.calls += 1
        return self.rate * torch.cat([z[:, 1:], u - z[:, :1]], dim=1)

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        return torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64).expand(len(z), 2, 2)

    def penalty_groups(self) -> list[list[list[str]]]:
        return []


def exact(initial: Tensor) -> Tensor:
    """A rotation around u, from jump to jump."""
    out = [initial]
    for k in range(STOPS.shape[1] - 1):
        angle, centre = float(STOPS[0, k + 1] - STOPS[0, k]), torch.cat([FORCE[:, k], torch.zeros(2, 1, dtype=torch.float64)], dim=1)
        c, s = np.cos(angle), np.sin(angle)
        out.append(centre + (out[-1] - centre) @ torch.tensor([[c, -s], [s, c]], dtype=torch.float64))
    return torch.stack(out, dim=1)


INITIAL = torch.tensor([[0.4, 0.1], [-0.3, 0.8]], dtype=torch.float64)


@pytest.mark.parametrize(("solver", "order"), [*((n, t.order) for n, t in RUNGE_KUTTA.items()), ("leapfrog", 2), ("implicit-midpoint", 2)])
def test_a_jump_costs_no_order_of_convergence(solver: str, order: int) -> None:
    steps = [0.1, 0.05, 0.025]
    runs = [SOLVERS[solver].integrate(Forced(), INITIAL, STOPS, HELD, step).detach() for step in steps]
    errors = [float((run - exact(INITIAL)).abs().max()) for run in runs]
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(order, abs=0.3)
    assert errors[-1] < {1: 0.2, 2: 3e-3, 4: 1e-6, 5: 1e-7}[order]


@pytest.mark.parametrize("solver", ADAPTIVE)
def test_adaptive_solvers_take_the_side_of_a_jump_that_they_are_on(solver: str) -> None:
    field, smooth, tolerance = Forced(), Forced(), {"adaptive_heun": 1e-4, "bosh3": 1e-5}.get(solver, 1e-8)
    adaptive = AdaptiveSolver(solver, rtol=tolerance, atol=tolerance / 100)
    with torch.no_grad():
        run = adaptive.integrate(field, INITIAL, STOPS, HELD, 1.0)
    torch.testing.assert_close(run, exact(INITIAL), rtol=0, atol=30 * tolerance)
    still = SampledInputs(STOPS, torch.ones_like(FORCE), (True,))
    with torch.no_grad():
        adaptive.integrate(smooth, INITIAL, STOPS, still, 1.0)
    assert field.calls < 2 * smooth.calls  # steps do not shrink at a jump


def test_steps_by_hand_are_those_of_the_plain_solver() -> None:
    field = field_of("second", 1)
    pair = [solver.integrate(field, INITIAL, STOPS, HELD, 0.1) for solver in (RolloutSolver(RUNGE_KUTTA["rk4"]), SOLVERS["rk4"])]
    torch.testing.assert_close(*pair, rtol=1e-12, atol=1e-12)


OWN = torch.tensor([[5.0, 5.3, 6.1, 6.2, 7.0], [5.0, 5.6, 5.7, 6.0, torch.nan]], dtype=torch.float64)


@pytest.mark.parametrize("stops", [STOPS, OWN], ids=["one clock", "clocks of their own"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_gradients_equal_finite_differences_over_jumps(kind: str, stops: Tensor) -> None:
    held = SampledInputs(stops, FORCE, (True,))
    field, weights = field_of(kind, 1), torch.tensor([0.7, -1.3], dtype=torch.float64)
    theta, fine = parameters_to_vector(field.parameters()).detach(), RolloutSolver(RUNGE_KUTTA["rk5"])

    def loss(solver: object, initial: Tensor) -> Tensor:
        states = solver.integrate(field, initial, stops, held, 0.01)  # type: ignore[attr-defined]
        return ((states * weights).sum(-1) + 0.5 * states.square().sum(-1)).sum()

    @torch.no_grad()
    def moved(direction: Tensor, by: float) -> Tensor:
        vector_to_parameters(theta + by * direction[4:], field.parameters())
        out = loss(fine, INITIAL + by * direction[:4].view(2, 2))
        vector_to_parameters(theta, field.parameters())
        return out

    h = 1e-3
    steps = directions(4 + len(theta))
    pieces = [(8 * (moved(s, h) - moved(s, -h)) - (moved(s, 2 * h) - moved(s, -2 * h))) / (12 * h) for s in steps]
    expected = torch.stack(pieces)
    for gradient in GRADIENTS:
        if gradient == "second-order-adjoint" and kind == "first":
            continue
        start = INITIAL.clone().requires_grad_()
        whole = [start, *field.parameters()]
        parts = torch.autograd.grad(loss(AdaptiveSolver("dopri5", gradient, 1e-8, 1e-10), start), whole)
        found = directions(4 + len(theta)) @ torch.cat([part.reshape(-1) for part in parts])
        assert float((found - expected).abs().max()) < 1e-6 * float(expected.abs().max()), gradient


def test_one_trajectory_that_runs_away_does_not_stop_the_others() -> None:
    class Square(Linear):
        def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
            return z.square()

    time = torch.linspace(0, 2, 11, dtype=torch.float64).expand(2, -1)
    initial = torch.tensor([[1.0], [0.1]], dtype=torch.float64)
    with torch.no_grad():
        states = AdaptiveSolver("dopri5").integrate(Square([[0.0]]), initial, time, lambda t, inside=None: t.new_zeros(*t.shape, 0), 1.0)
    truth = initial / (1 - initial * time)
    torch.testing.assert_close(states[1, :, 0], truth[1], rtol=1e-6, atol=0)
    torch.testing.assert_close(states[0, :5, 0], truth[0, :5], rtol=1e-6, atol=0)
    assert bool(states[0, 6:].isnan().all())
