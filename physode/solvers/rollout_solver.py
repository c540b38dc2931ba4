"""Runge-Kutta integration as one step of torch's graph, for fields that are nothing but a perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from physode.fields.base import AbstractField
from physode.solvers.base import AbstractSolver
from physode.solvers.dense import Plan, plan_steps
from physode.solvers.fixed import RungeKuttaSolver
from physode.solvers.grid import StepGrid
from physode.solvers.perceptron import Perceptron
from physode.solvers.rollout import Rollout
from physode.solvers.runge_kutta import Inputs, Stages, Tableau, integrate_runge_kutta

__all__ = ["RolloutSolver", "by_hand", "run_by_hand"]


@dataclass(frozen=True)
class RolloutSolver(RungeKuttaSolver):
    """A `RungeKuttaSolver` whose gradients are taken by hand, and which steps over observations where it can.

    Where the field is a perceptron (`AbstractField.perceptron`) on the CPU, and its inputs are no function of what is learned, the
    integration and its gradient run in numpy. Without inputs, whose kinks a step must not cross, the steps are as long as `max_step`
    allows, and the observations are interpolated; a record of many observations then takes fewer evaluations than one step each.
    Everything else is left to `RungeKuttaSolver`.
    """

    def integrate(self, field: AbstractField, initial: Tensor, time: Tensor, inputs: Inputs, max_step: float) -> Tensor:
        """See `AbstractSolver.integrate`."""
        if initial.device.type != "cpu" or time.shape[1] < 2:
            return super().integrate(field, initial, time, inputs, max_step)
        n_stages = len(self.tableau.b)
        plan = plan_steps(time, max_step, n_stages, smooth=not field.n_inputs, dtype=initial.dtype)
        net = field.perceptron(len(plan.step) * n_stages + plan.dense)
        if net is None:
            return super().integrate(field, initial, time, inputs, max_step)
        u = None
        if field.n_inputs:
            nodes = torch.tensor(self.tableau.c, dtype=time.dtype, device=time.device)
            start, step = plan.start[..., None], plan.step[..., 0].T[..., None]
            u = inputs(start + step * nodes, start + 0.5 * step).permute(1, 2, 0, 3)
            if u.requires_grad:
                return super().integrate(field, initial, time, inputs, max_step)
        keep = torch.is_grad_enabled()
        out: Tensor = _Rolled.apply(_Task(self.tableau, net.activation, plan, u, keep), initial, *net.parameters())  # type: ignore[no-untyped-call]
        return out


def by_hand(solver: AbstractSolver) -> AbstractSolver:
    """Give the solver that differentiates by hand in place of an explicit Runge-Kutta one; any other is given back."""
    return RolloutSolver(solver.tableau) if isinstance(solver, RungeKuttaSolver) else solver


@torch.no_grad()
def run_by_hand(tableau: Tableau, field: AbstractField, initial: Tensor, grid: StepGrid, inputs: Inputs) -> Stages:
    """Give what `integrate_runge_kutta` gives, but for rounding and gradients, in a third of the time where the field is a perceptron."""
    n_steps, n_stages = grid.step.shape[1], len(tableau.b)
    net = field.perceptron(n_steps * n_stages) if initial.device.type == "cpu" and n_steps else None
    if net is None:
        return integrate_runge_kutta(tableau, field, initial, grid, inputs)
    time = grid.time[:, :-1, None] + grid.step[..., None] * torch.tensor(tableau.c, dtype=grid.step.dtype, device=initial.device)
    u, step = inputs(time, grid.middle), grid.step.to(initial.dtype).T[..., None].numpy()
    driving = u.permute(1, 2, 0, 3).numpy() if field.n_inputs else None
    network = _network(list(net.parameters()), net.activation, initial.shape[1])
    rollout = Rollout(tableau, network, initial.detach().numpy(), step, driving, with_slopes=False, keep=False)
    states, inner = torch.from_numpy(rollout.nodes[:, 0]).movedim(0, 1), torch.from_numpy(rollout.inner).movedim(2, 0)
    return Stages(states, inner, time, u)


def _network(parameters: Sequence[Tensor], activation: str, n_states: int) -> Perceptron:
    """The network in numpy, from its parameters in the order of `LinearPlusMLP.parameters`."""
    linear, *rest = (parameter.detach().numpy() for parameter in parameters)
    return Perceptron.make(list(zip(rest[::2], rest[1::2], strict=True)), linear, activation, n_states)


@dataclass(frozen=True)
class _Task:
    """All that is not differentiated."""

    tableau: Tableau
    activation: str
    plan: Plan
    inputs: Tensor | None
    keep: bool

    def roll(self, initial: Tensor, parameters: Sequence[Tensor]) -> Rollout:
        """Integrate, with the parameters in the order of `LinearPlusMLP.parameters`."""
        net = _network(parameters, self.activation, initial.shape[1])
        u = None if self.inputs is None else self.inputs.numpy()
        plan, start = self.plan, initial.detach().numpy()
        return Rollout(self.tableau, net, start, plan.step.numpy(), u, with_slopes=plan.dense, keep=self.keep)


class _Rolled(torch.autograd.Function):
    """States at the observations from the initial state and the parameters."""

    @staticmethod
    def forward(ctx: Any, task: _Task, initial: Tensor, *parameters: Tensor) -> Tensor:
        rollout = task.roll(initial, parameters)
        ctx.save_for_backward(initial, *parameters)
        ctx.task, ctx.rollout = task, rollout if task.keep else None
        return torch.from_numpy(task.plan.observe(rollout.nodes))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_observations: Tensor) -> tuple[Tensor | None, ...]:
        initial, *parameters = ctx.saved_tensors
        # The reverse pass uses the buffers up: another one through a retained graph integrates anew.
        rollout = ctx.rollout or ctx.task.roll(initial, parameters)
        ctx.rollout = None
        by_initial, by_layers, by_linear = rollout.pull_back(ctx.task.plan.pull_back(by_observations.numpy()))
        n_out = len(parameters[0])
        *hidden, (weight, bias) = by_layers
        pieces = [by_initial, by_linear[-n_out:], *(part for pair in hidden for part in pair), weight[-n_out:], bias[-n_out:]]
        return None, *(torch.from_numpy(piece) for piece in pieces)
