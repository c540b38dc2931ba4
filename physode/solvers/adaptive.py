"""Adaptive methods and the adjoint of Chen et al. 2018, by torchdiffeq."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torchdiffeq
from torch import Tensor, nn

from physode.errors import FitError
from physode.fields.base import AbstractField
from physode.solvers.base import AbstractSolver
from physode.solvers.runge_kutta import Inputs

__all__ = ["ADAPTIVE", "AdaptiveSolver"]

ADAPTIVE = ("dopri5", "dopri8", "bosh3", "adaptive_heun")


class _WithInputs(nn.Module):
    """f(t, z) with u(t) filled in; a module, so that the adjoint finds the parameters."""

    def __init__(self, field: AbstractField, inputs: Inputs, start: Tensor) -> None:
        super().__init__()
        self.field, self.inputs, self.start = field, inputs, start

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        time = self.start + t
        out: Tensor = self.field(time, z, self.inputs(time[:, None])[:, 0])
        return out


@dataclass(frozen=True)
class AdaptiveSolver(AbstractSolver):
    """A method of torchdiffeq; the whole batch shares one step size and one grid of times after each trajectory's start.

    Attributes
    ----------
    method : str
        One of `ADAPTIVE`.
    adjoint : bool
        Differentiate by the continuous adjoint, in constant memory, rather than by backpropagation.
    rtol, atol : float
        Local error tolerances in scaled units; steps end at the observation times, so that they hold there.
    """

    method: str
    adjoint: bool = False
    rtol: float = 1e-7
    atol: float = 1e-9

    def integrate(self, field: AbstractField, initial: Tensor, time: Tensor, inputs: Inputs, max_step: float) -> Tensor:
        """See `AbstractSolver.integrate`."""
        elapsed = time - time[:, :1]
        longest = elapsed[int(time.isfinite().sum(1).argmax())]
        if float((elapsed - longest).abs().nan_to_num(0.0).max()) > 1e-9 * float(longest.nan_to_num(0.0).max()):
            raise FitError(
                f"solver {self.method!r} (torchdiffeq) needs the same times for all trajectories, and these differ; "
                "use a fixed-step solver such as solver='rk4', where each trajectory has steps of its own."
            )
        valid = longest[longest.isfinite()]
        run = torchdiffeq.odeint_adjoint if self.adjoint else torchdiffeq.odeint
        with_inputs = _WithInputs(field, inputs, time[:, 0])
        try:
            # Steps end at the observations, since between steps torchdiffeq interpolates with errors far above the tolerance.
            states = run(with_inputs, initial, valid, method=self.method, rtol=self.rtol, atol=self.atol, options={"step_t": valid})
        except AssertionError as error:
            if "underflow" not in str(error) and "non-finite" not in str(error):
                raise
            return initial[:, None].expand(-1, time.shape[1], -1) * torch.nan
        tail = states[-1:].expand(time.shape[1] - len(valid), -1, -1)
        return torch.cat([states, tail]).transpose(0, 1)

    def sharpened(self, max_step: float, factor: float) -> tuple[AbstractSolver, float]:
        """See `AbstractSolver.sharpened`."""
        return replace(self, rtol=self.rtol / factor, atol=self.atol / factor), max_step
