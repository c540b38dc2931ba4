"""Solvers by name."""

from __future__ import annotations

from physode.errors import FitError, unknown_name
from physode.solvers.adaptive import ADAPTIVE, AdaptiveSolver
from physode.solvers.adjoint import ADJOINTS
from physode.solvers.base import AbstractSolver
from physode.solvers.fixed import OneStepSolver, RungeKuttaSolver
from physode.solvers.runge_kutta import RUNGE_KUTTA
from physode.solvers.symplectic import implicit_midpoint_step, leapfrog_step

__all__ = ["GRADIENTS", "SOLVERS", "get_solver"]

GRADIENTS = ("backprop", *ADJOINTS)
"""Ways to take a gradient."""

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
    gradient : {"backprop", "adjoint", "interpolated-adjoint", "second-order-adjoint"}
        How gradients are taken: through the solver's steps, or by an adjoint equation, which needs an adaptive method. "adjoint" integrates
        the state backward again and takes constant memory; "interpolated-adjoint" reads it from the stored solution;
        "second-order-adjoint" is that of Norcliffe et al. 2020, for second-order fields.

    Raises
    ------
    UnknownNameError
        For a name that is not there.
    FitError
        For an adjoint of a fixed-step method.

    Examples
    --------
    >>> get_solver("dopri5", "interpolated-adjoint")
    AdaptiveSolver(method='dopri5', gradient='interpolated-adjoint', rtol=1e-07, atol=1e-09)
    """
    if name not in SOLVERS:
        raise unknown_name("solver", name, SOLVERS)
    if gradient not in GRADIENTS:
        raise unknown_name("gradient", gradient, GRADIENTS)
    if gradient == "backprop":
        return SOLVERS[name]
    if name not in ADAPTIVE:
        raise FitError(f"gradient={gradient!r} needs an adaptive solver ({', '.join(ADAPTIVE)}), and solver is {name!r}.")
    return AdaptiveSolver(name, gradient)
