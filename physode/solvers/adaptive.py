"""Adaptive methods, by torchdiffeq."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torchdiffeq
from torch import Tensor, nn

from physode.errors import FitError
from physode.fields.base import AbstractField
from physode.solvers.adjoint import integrate_with_adjoint
from physode.solvers.base import AbstractSolver
from physode.solvers.runge_kutta import Inputs

__all__ = ["ADAPTIVE", "AdaptiveSolver"]

ADAPTIVE = ("dopri5", "dopri8", "bosh3", "adaptive_heun")


class _WithInputs(nn.Module):
    """f(t, z) with u(t) filled in; a module, so that the adjoint finds the parameters."""

    def __init__(self, field: AbstractField, inputs: Inputs, start: Tensor, stops: Tensor) -> None:
        super().__init__()
        self.field, self.inputs, self.start = field, inputs, start
        self.stops, self.middles = stops, 0.5 * (stops[1:] + stops[:-1])

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        time = self.start + t
        out: Tensor = self.field(time, z, self.inputs(time[:, None], self.inside(t)[:, None])[:, 0])
        return out

    def inside(self, t: Tensor) -> Tensor:
        """Times in the interval between two stops that t lies in: torchdiffeq marks the sides of a stop by the last digit of t."""
        if not len(self.middles):
            return self.start + t
        interval = torch.searchsorted(self.stops, t.detach(), right=True).clamp(1, len(self.middles)) - 1
        return self.start + self.middles[interval]


@dataclass(frozen=True)
class AdaptiveSolver(AbstractSolver):
    """A method of torchdiffeq; the whole batch shares one step size and one grid of times after each trajectory's start.

    Attributes
    ----------
    method : str
        One of `ADAPTIVE`.
    gradient : str
        "backprop" through the solver's steps, or a key of `physode.solvers.adjoint.ADJOINTS`.
    rtol, atol : float
        Local error tolerances in scaled units; steps end at the observation times, so that they hold there.
    """

    method: str
    gradient: str = "backprop"
    rtol: float = 1e-7
    atol: float = 1e-9

    def integrate(self, field: AbstractField, initial: Tensor, time: Tensor, inputs: Inputs, max_step: float) -> Tensor:
        """See `AbstractSolver.integrate`."""
        if self.gradient == "second-order-adjoint" and not field.second_order:
            raise FitError(
                f"gradient='second-order-adjoint' needs a field d2x/dt2 = f(x, dx/dt), as SecondOrderNeuralODE has, and this is "
                f"a {type(field).__name__}; use gradient='adjoint' or 'interpolated-adjoint'."
            )
        elapsed = time - time[:, :1]
        longest = elapsed[int(time.isfinite().sum(1).argmax())]
        if float((elapsed - longest).abs().nan_to_num(0.0).max()) > 1e-9 * float(longest.nan_to_num(0.0).max()):
            raise FitError(
                f"solver {self.method!r} (torchdiffeq) needs the same times for all trajectories, and these differ; "
                "use a fixed-step solver such as solver='rk4', where each trajectory has steps of its own."
            )
        valid = longest[longest.isfinite()]
        with_inputs = _WithInputs(field, inputs, time[:, 0], valid)
        try:
            states = self._run(with_inputs, initial, valid, kinks=field.n_inputs > 0)
        except AssertionError as error:
            if "underflow" not in str(error) and "non-finite" not in str(error):
                raise
            return initial[:, None].expand(-1, time.shape[1], -1) * torch.nan
        tail = states[-1:].expand(time.shape[1] - len(valid), -1, -1)
        return torch.cat([states, tail]).transpose(0, 1)

    def _run(self, rate: _WithInputs, initial: Tensor, time: Tensor, *, kinks: bool) -> Tensor:
        # Steps end at the observations, since between steps torchdiffeq interpolates with errors far above the tolerance. Inputs may
        # jump there.
        if self.gradient == "backprop" or not torch.is_grad_enabled():
            options = {"jump_t" if kinks else "step_t": time}
            states: Tensor = torchdiffeq.odeint(rate, initial, time, method=self.method, rtol=self.rtol, atol=self.atol, options=options)
            return states
        return integrate_with_adjoint(self.gradient, rate, initial, time, self.method, self.rtol, self.atol, kinks=kinks)

    def sharpened(self, max_step: float, factor: float) -> tuple[AbstractSolver, float]:
        """See `AbstractSolver.sharpened`."""
        return replace(self, rtol=self.rtol / factor, atol=self.atol / factor), max_step
