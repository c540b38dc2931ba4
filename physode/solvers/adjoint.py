"""Gradients by integrating an adjoint equation backward in time: constant memory, or the stored solution in place of a second one.

With the loss L and lambda = dL/dz(t), lambda' = -f_z' lambda and dL/dtheta = int lambda' f_theta dt (Chen et al. 2018, arXiv:1806.07366);
at an observation, lambda jumps by what L depends on it directly. The parameters' part is a quadrature that nothing depends on, so the
error control leaves it out (Kidger, Chen & Lyons 2021, arXiv:2009.09457).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torchdiffeq
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from physode.errors import FitError
from physode.solvers.stored import StoredSolution

__all__ = ["ADJOINTS", "Rate", "integrate_with_adjoint"]

State = tuple[Tensor, ...]


class Rate(nn.Module):
    """dz/ds at (s, z), for an s that all trajectories have in common; a module, so that its parameters are found."""

    def pace(self, s: Tensor) -> Tensor:
        """dt/ds of each trajectory's own time, constant between observations, shape (batch or 1, 1)."""
        return s.new_ones(1, 1)


@dataclass(frozen=True)
class _Adjoint(ABC):
    """What is integrated backward; the last part of its state is always the gradient by the parameters, flattened.

    Attributes
    ----------
    rate : Rate
    parameters : tuple of Tensor
    solution : StoredSolution or None
    """

    rate: Rate
    parameters: tuple[Tensor, ...]
    solution: StoredSolution | None

    @abstractmethod
    def begin(self, t: Tensor, z: Tensor, adjoint: Tensor, sums: Tensor) -> State:
        """State from z(t), lambda and the parameters' gradient."""

    @abstractmethod
    def derivative(self, t: Tensor, state: State) -> State:
        """Time derivative of the state."""

    @abstractmethod
    def end(self, t: Tensor, state: State) -> Tensor:
        """Lambda from the state."""

    def pull_back(self, t: Tensor, z: Tensor, adjoint: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rate, f_z' lambda and f_theta' lambda, the last flattened."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            rate = self.rate(t, z)
            by_state, *by_each = torch.autograd.grad(rate, (z, *self.parameters), adjoint, allow_unused=True)
        return rate.detach(), _filled(by_state, z), self.flatten(by_each)

    def flatten(self, by_each: Sequence[Tensor | None]) -> Tensor:
        """Lay the gradients of the parameters behind each other."""
        pairs = zip(by_each, self.parameters, strict=True)
        return torch.cat([_filled(part, like).reshape(-1) for part, like in pairs]) if by_each else torch.zeros(0)


class _Coupled(_Adjoint):
    """The state is integrated backward together with lambda."""

    def begin(self, t: Tensor, z: Tensor, adjoint: Tensor, sums: Tensor) -> State:
        return z, adjoint, sums

    def derivative(self, t: Tensor, state: State) -> State:
        rate, by_state, by_parameters = self.pull_back(t, state[0], state[1])
        return rate, -by_state, -by_parameters

    def end(self, t: Tensor, state: State) -> Tensor:
        return state[1]


class _Interpolated(_Adjoint):
    """The state is read from the stored solution."""

    def begin(self, t: Tensor, z: Tensor, adjoint: Tensor, sums: Tensor) -> State:
        return adjoint, sums

    def derivative(self, t: Tensor, state: State) -> State:
        if self.solution is None:
            raise FitError("the interpolated adjoint has no stored solution; integrate with gradient='interpolated-adjoint'.")
        _, by_state, by_parameters = self.pull_back(t, self.solution(t), state[0])
        return -by_state, -by_parameters

    def end(self, t: Tensor, state: State) -> Tensor:
        return state[0]


class _SecondOrder(_Adjoint):
    """For x'' = a(x, v), r = lambda_v obeys r'' = a_x' r - d/dt(a_v' r), and lambda_x = -r' - a_v' r.

    Norcliffe et al. 2020, arXiv:2006.07220. Primes are by each trajectory's own time.
    """

    def begin(self, t: Tensor, z: Tensor, adjoint: Tensor, sums: Tensor) -> State:
        by_position, r = adjoint.chunk(2, dim=1)
        return z, r, -by_position - self.damping(t, z, r), sums

    def derivative(self, t: Tensor, state: State) -> State:
        z, r, slope, _ = state
        n, pace = r.shape[1], self.rate.pace(t)
        with torch.enable_grad():
            t, z = t.detach().requires_grad_(), z.detach().requires_grad_()
            rate = self.rate(t, z)
            motion, acceleration = rate.detach(), rate[:, n:]
            wanted = (z, t, *self.parameters)
            pulled: Sequence[Tensor | None] = torch.autograd.grad((acceleration * r).sum(), wanted, create_graph=True, allow_unused=True)
            by_state, by_time, *by_each = pulled
            # Second derivatives commute: the gradient of this is d/dt of a_z' r along the motion, times the pace.
            along = (acceleration * pace * slope).sum() + (_filled(by_state, z) * motion).sum() + _filled(by_time, t)
            (change,) = torch.autograd.grad(along, z)
        by_parameters = self.flatten([None if part is None else part.detach() for part in by_each])
        return motion, pace * slope, _filled(by_state, z).detach()[:, :n] - change[:, n:] / self.unit(t), -by_parameters

    def end(self, t: Tensor, state: State) -> Tensor:
        z, r, slope, _ = state
        return torch.cat([-slope - self.damping(t, z, r), r], dim=1)

    def damping(self, t: Tensor, z: Tensor, r: Tensor) -> Tensor:
        """a_v' r."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            (by_state,) = torch.autograd.grad(self.rate(t, z), z, torch.cat([torch.zeros_like(r), r], dim=1))
        return by_state[:, r.shape[1] :] / self.unit(t)

    def unit(self, t: Tensor) -> Tensor:
        """The pace; 1 for trajectories that stand still, whose rate is 0."""
        pace = self.rate.pace(t)
        return torch.where(pace > 0, pace, 1.0)


ADJOINTS: dict[str, type[_Adjoint]] = {"adjoint": _Coupled, "interpolated-adjoint": _Interpolated, "second-order-adjoint": _SecondOrder}
"""Ways to take a gradient other than backpropagation."""


def integrate_with_adjoint(
    kind: str, rate: Rate, initial: Tensor, time: Tensor, method: str, rtol: float, atol: float, *, kinks: bool
) -> Tensor:
    """Integrate by torchdiffeq, to be differentiated by an adjoint equation with the same method and tolerances.

    Parameters
    ----------
    kind : str
        A key of `ADJOINTS`.
    rate : Rate
        Its parameters are differentiated.
    initial : Tensor, shape (batch, n_states)
    time : Tensor, shape (observations,)
        Increasing.
    method : str
    rtol, atol : float
        Lambda is held to them relative to the largest entry of the loss's gradient.
    kinks : bool
        Whether the field has a kink or a jump at each observation, as sampled inputs make it.

    Returns
    -------
    Tensor, shape (observations, batch, n_states)
    """
    parameters = tuple(parameter for parameter in rate.parameters() if parameter.requires_grad)
    out: Tensor = _Integrated.apply(_Task(kind, rate, method, rtol, atol, kinks), time, initial, *parameters)  # type: ignore[no-untyped-call]
    return out


@dataclass(frozen=True)
class _Task:
    kind: str
    rate: Rate
    method: str
    rtol: float
    atol: float
    kinks: bool

    def advance(
        self, equation: _Adjoint, late: Tensor, early: Tensor, z: Tensor, adjoint: Tensor, sums: Tensor, step: float
    ) -> tuple[Tensor, Tensor, float]:
        """Take lambda and the parameters' gradient from `late`, where the state is z, back to `early`.

        The first step is no longer than `step`; the step that suits is given as well.
        """
        backward = _Backward(equation, late, early, step)
        state = equation.begin(backward.last, z, adjoint, sums)
        span = torch.stack([torch.zeros_like(late), late - early])
        options = {"norm": _controlled, "step_t": span[1:]} | ({"first_step": min(step, float(span[1]))} if math.isfinite(step) else {})
        try:
            ends = torchdiffeq.odeint(backward, state, span, method=self.method, rtol=self.rtol, atol=self.atol, options=options)
        except AssertionError as error:
            raise FitError(
                f"the {self.kind} equation could not be integrated back from t = {float(late):.4g} ({error}); use gradient='backprop'."
            ) from error
        state = tuple(part[-1] for part in ends)
        return equation.end(backward.first, state), state[-1], backward.step


class _Backward:
    """The equation in the time that has passed since `late`, going back; remembers the last step that was tried."""

    def __init__(self, equation: _Adjoint, late: Tensor, early: Tensor, step: float) -> None:
        self.equation, self.late, self.step = equation, late, step
        # Just inside the interval, since sampled inputs jump or bend at its ends, and steps would shrink without end at a jump.
        nudge = torch.finfo(late.dtype).eps ** 0.75 * (late - early)
        self.first, self.last = early + nudge, late - nudge

    def __call__(self, elapsed: Tensor, state: State) -> State:
        return tuple(-part for part in self.equation.derivative((self.late - elapsed).clamp(self.first, self.last), state))

    def callback_step(self, elapsed: Tensor, state: State, step: Tensor) -> None:
        self.step = float(step)


class _Integrated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, task: _Task, time: Tensor, initial: Tensor, *parameters: Tensor) -> Tensor:
        ctx.task, ctx.solution = task, None
        if task.kind == "interpolated-adjoint":
            ctx.solution, states = StoredSolution.integrate(task.rate, initial, time, task.method, task.rtol, task.atol, kinks=task.kinks)
        else:
            options = {"jump_t" if task.kinks else "step_t": time}
            states = torchdiffeq.odeint(task.rate, initial, time, method=task.method, rtol=task.rtol, atol=task.atol, options=options)
        ctx.save_for_backward(time, states, *parameters)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_states: Tensor) -> tuple[Tensor | None, ...]:
        time, states, *parameters = ctx.saved_tensors
        task, size = ctx.task, float(by_states.abs().max()) or 1.0
        equation = ADJOINTS[task.kind](task.rate, tuple(parameters), ctx.solution)
        by_states = by_states / size
        sums = states.new_zeros(sum(parameter.numel() for parameter in parameters))
        adjoint, step = by_states[-1], math.inf
        for k in range(len(time) - 1, 0, -1):
            if bool(adjoint.any()):
                adjoint, sums, step = task.advance(equation, time[k], time[k - 1], states[k], adjoint, sums, step)
            adjoint = adjoint + by_states[k - 1]
        pieces = (sums * size).split([parameter.numel() for parameter in parameters])
        return None, None, adjoint * size, *(piece.view_as(like) for piece, like in zip(pieces, parameters, strict=True))


def _controlled(state: State) -> Tensor:
    """Size of all but the quadrature."""
    return torch.stack([part.square().mean().sqrt() for part in state[:-1]]).max()


def _filled(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient
