"""Solvers by name."""

from __future__ import annotations

from physode.errors import FitError, unknown_name
from physode.solvers.adaptive import ADAPTIVE, AdaptiveSolver
from physode.solvers.base import AbstractSolver
from physode.solvers.fixed import OneStepSolver, RungeKuttaSolver
from physode.solvers.runge_kutta import RUNGE_KUTTA
from physode.solvers.symplectic import implicit_midpoint_step, leapfrog_step

__all__ = ["SOLVERS", "get_solver"]

SOLVERS: dict[str, AbstractSolver] = {
    **{name: RungeKuttaSolver(tableau) for name, tableau in RUNGE_KUTTA.items()},
    "leapfrog": OneStepSolver(leapfrog_step, (0.0, 1.0)),
    "implicit-midpoint": OneStepSolver(implicit_midpoint_step, (0.5,)),
    **{name: AdaptiveSolver(name) for name in ADAPTIVE},
}


def get_solver(name: str, gradient: str = "backprop") -> AbstractSolver:
    """Look a solver up.

    Parameters
    ----------
    name : str
        A key of `SOLVERS`.
    gradient : {"backprop", "adjoint"}
        How gradients are taken; the adjoint is torchdiffeq's and needs one of its adaptive methods.

    Raises
    ------
    UnknownNameError
        For a name that is not there.
    FitError
        For the adjoint of a fixed-step method.
    """
    if name not in SOLVERS:
        raise unknown_name("solver", name, SOLVERS)
    if gradient not in ("backprop", "adjoint"):
        raise unknown_name("gradient", gradient, ("backprop", "adjoint"))
    if gradient == "backprop":
        return SOLVERS[name]
    if name not in ADAPTIVE:
        raise FitError(f"gradient='adjoint' needs an adaptive solver ({', '.join(ADAPTIVE)}), and solver is {name!r}.")
    return AdaptiveSolver(name, adjoint=True)
