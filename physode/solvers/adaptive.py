"""Adaptive methods, by torchdiffeq."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torchdiffeq
from torch import Tensor

from physode.errors import FitError
from physode.fields.base import AbstractField
from physode.solvers.adjoint import Rate, integrate_with_adjoint
from physode.solvers.base import AbstractSolver
from physode.solvers.runge_kutta import Inputs
from physode.solvers.watch import look

__all__ = ["ADAPTIVE", "MOST_STEPS", "AdaptiveSolver"]

ADAPTIVE = ("dopri5", "dopri8", "bosh3", "adaptive_heun")
MOST_STEPS = 100_000
"""Steps between two observations after which an integration is given up: an explicit method takes more on a stiff field alone."""


class _WithInputs(Rate):
    """f(t, z) with u(t) filled in; a module, so that the adjoint finds the parameters."""

    def __init__(self, field: AbstractField, inputs: Inputs, start: Tensor, stops: Tensor) -> None:
        super().__init__()
        self.field, self.inputs, self.start = field, inputs, start
        self.stops, self.middles = stops, 0.5 * (stops[1:] + stops[:-1])

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        look()
        time = self.start + t
        out: Tensor = self.field(time, z, self.inputs(time[:, None], self.inside(t)[:, None])[:, 0])
        return out

    def inside(self, t: Tensor) -> Tensor:
        """Times in the interval between two stops that t lies in: torchdiffeq marks the sides of a stop by the last digit of t."""
        if not len(self.middles):
            return self.start + t
        interval = torch.searchsorted(self.stops, t.detach(), right=True).clamp(1, len(self.middles)) - 1
        return self.start + self.middles[interval]


class _OwnClocks(Rate):
    """dz/ds, where s counts the observations of each trajectory, whatever its own time is; one that has ended stands still."""

    def __init__(self, field: AbstractField, inputs: Inputs, time: Tensor) -> None:
        super().__init__()
        self.field, self.inputs = field, inputs
        self.time = time.nan_to_num(-torch.inf).cummax(dim=1).values
        self.gaps = self.time.diff(dim=1)

    def forward(self, s: Tensor, z: Tensor) -> Tensor:
        look()
        interval = self.interval(s)
        begin, gap = self.time[:, interval], self.gaps[:, interval]
        time = begin + (s - interval) * gap
        out: Tensor = self.field(time, z, self.inputs(time[:, None], (begin + 0.5 * gap)[:, None])[:, 0])
        return gap[:, None].to(out.dtype) * out

    def interval(self, s: Tensor) -> Tensor:
        """The one that s is in: torchdiffeq marks the sides of a stop by the last digit."""
        return s.detach().floor().long().clamp(0, self.gaps.shape[1] - 1)

    def pace(self, s: Tensor) -> Tensor:
        return self.gaps[:, self.interval(s), None].to(s.dtype)


class _Alone(Rate):
    """One trajectory of a batch; the others stay at their initial states."""

    def __init__(self, rate: Rate, row: int, others: Tensor) -> None:
        super().__init__()
        self.rate, self.row, self.others = rate, row, others

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        both = self.others.clone()
        both[self.row] = z[0]
        out: Tensor = self.rate(t, both)
        return out[self.row : self.row + 1]


@dataclass(frozen=True)
class AdaptiveSolver(AbstractSolver):
    """A method of torchdiffeq; the whole batch shares its steps.

    Where trajectories have times of their own, it is integrated in the number of the observation in place of the time.

    Attributes
    ----------
    method : str
        One of `ADAPTIVE`.
    gradient : str
        "backprop" through the solver's steps, or a key of `physode.solvers.adjoint.ADJOINTS`, which are gradients by the initial state
        and the field's parameters, and by nothing that the inputs come from.
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
        valid = longest[longest.isfinite()]
        rounding = 4 * torch.finfo(time.dtype).eps * float(time.nan_to_num(0.0).abs().max())  # of times that count from long ago
        alike = float((elapsed - longest).abs().nan_to_num(0.0).max()) <= 1e-9 * float(longest.nan_to_num(0.0).max()) + rounding
        rate: Rate = _WithInputs(field, inputs, time[:, 0], valid)
        if not alike:
            rate, valid = _OwnClocks(field, inputs, time), torch.arange(len(valid), dtype=time.dtype, device=time.device)
        states = self._try(rate, initial, valid, kinks=field.n_inputs > 0 or not alike)
        if states is None and torch.is_grad_enabled():
            return initial[:, None].expand(-1, time.shape[1], -1) * torch.nan
        if states is None:  # one that runs away must not stop the others
            alone = [_Alone(rate, row, initial) for row in range(len(initial))]
            together = len(initial) > 1
            each = [self._as_far_as_it_goes(one, initial[k : k + 1], valid, together=together) for k, one in enumerate(alone)]
            states = torch.cat(each, dim=1)
        tail = states[-1:].expand(time.shape[1] - len(valid), -1, -1)
        return torch.cat([states, tail]).transpose(0, 1)

    def _try(self, rate: Rate, initial: Tensor, time: Tensor, *, kinks: bool) -> Tensor | None:
        """Integrate, or give None where torchdiffeq gives up."""
        try:
            return self._run(rate, initial, time, kinks=kinks)
        except AssertionError as error:
            if not any(reason in str(error) for reason in ("underflow", "non-finite", "max_num_steps")):
                raise
            return None

    def _as_far_as_it_goes(self, rate: Rate, initial: Tensor, time: Tensor, *, together: bool) -> Tensor:
        """Integrate one trajectory, at once if it failed `together` with others, else between observations; NaN where it fails."""
        states = self._try(rate, initial, time, kinks=True) if together else None
        if states is not None:
            return states
        out = initial.expand(len(time), -1, -1).clone()
        for k in range(1, len(time)):
            reached = self._try(rate, out[k - 1], time[k - 1 : k + 1], kinks=True)
            if reached is None or not bool(reached.isfinite().all()):
                out[k:] = torch.nan
                break
            out[k] = reached[-1]
        return out

    def _run(self, rate: Rate, initial: Tensor, time: Tensor, *, kinks: bool) -> Tensor:
        # Steps end at the observations, since between steps torchdiffeq interpolates with errors far above the tolerance. Inputs may
        # jump there.
        if self.gradient == "backprop" or not torch.is_grad_enabled():
            options = {"jump_t" if kinks else "step_t": time, "max_num_steps": MOST_STEPS}
            states: Tensor = torchdiffeq.odeint(rate, initial, time, method=self.method, rtol=self.rtol, atol=self.atol, options=options)
            return states
        return integrate_with_adjoint(self.gradient, rate, initial, time, self.method, self.rtol, self.atol, kinks=kinks)

    def sharpened(self, max_step: float, factor: float) -> tuple[AbstractSolver, float]:
        """See `AbstractSolver.sharpened`."""
        return replace(self, rtol=self.rtol / factor, atol=self.atol / factor), max_step
