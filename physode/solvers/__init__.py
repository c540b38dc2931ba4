"""How fields are integrated and differentiated."""

from physode.solvers.base import AbstractSolver
from physode.solvers.fixed import RungeKuttaSolver
from physode.solvers.registry import SOLVERS, get_solver

__all__ = ["SOLVERS", "AbstractSolver", "RungeKuttaSolver", "get_solver"]
