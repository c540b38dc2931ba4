"""How fields are integrated and differentiated."""

from physode.solvers.base import AbstractSolver
from physode.solvers.fixed import RungeKuttaSolver
from physode.solvers.registry import SOLVERS, get_solver
from physode.solvers.rollout_solver import RolloutSolver, by_hand

__all__ = ["SOLVERS", "AbstractSolver", "RolloutSolver", "RungeKuttaSolver", "by_hand", "get_solver"]
