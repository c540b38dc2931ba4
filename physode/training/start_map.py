"""The map from first positions to first velocities, for models that learn one."""

from __future__ import annotations

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.fields.members import get_theta, set_theta, stack
from physode.training.evidence import Evidence, group_positions
from physode.training.levenberg_marquardt import levenberg_marquardt
from physode.training.matching import MatchingProblem

__all__ = ["fit_start"]


@torch.no_grad()
def fit_start(start: AbstractField, initial: Tensor) -> None:
    """Learn the first velocity as a function of the first position, from the initial states of a finished fit.

    Parameters
    ----------
    start : AbstractField
        Map from positions to velocities; changed in place.
    initial : Tensor, shape (trajectories, n_states)
        Positions first, then velocities; scaled.
    """
    n = start.n_states
    position, velocity = initial[:, :n], initial[:, n:]
    problem = MatchingProblem(stack([start]), position[None], velocity[None], position[:, :0])
    groups, ordered = group_positions(start)
    unknown = torch.zeros(n, dtype=torch.bool, device=initial.device)
    evidence = Evidence(initial.new_full((1, n), 0.01), initial.new_full((1, len(groups)), 0.1), groups, unknown, ordered)
    none = initial.new_zeros(1, 1, 0)
    point = levenberg_marquardt(problem, get_theta(start), none, evidence, iterations=30, tolerance=0.01, report=lambda *_: None)
    set_theta(start, point.theta)
