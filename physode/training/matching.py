"""Residuals of derivatives: the field against the slopes of a smoothing spline, a warm start that integrates nothing.

Also called gradient matching or two-stage collocation (Varah 1982).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.fields.members import set_theta
from physode.solvers.watch import look
from physode.training.problem import AbstractProblem, Evaluation, Linearised

__all__ = ["MatchingProblem"]


@dataclass
class MatchingProblem(AbstractProblem):
    """Field minus given derivatives, at given states, as one trajectory without an initial state (pass a tensor of shape (members, 1, 0)).

    Parameters
    ----------
    vector_field : AbstractField
        Stacked (`physode.fields.members`); its parameters are overwritten by each theta that is tried.
    states, derivatives : Tensor, shape (members, points, n_states)
    inputs : Tensor, shape (points, n_inputs)
    """

    vector_field: AbstractField
    states: Tensor
    derivatives: Tensor
    inputs: Tensor
    n_evaluations: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        n_points, n = self.states.shape[1:]
        self.counts = torch.full((n,), float(n_points), dtype=self.states.dtype, device=self.states.device)
        self.n_rows = n_points * n

    def evaluate(self, theta: Tensor, initial: Tensor, members: Tensor) -> Evaluation:
        """See `AbstractProblem.evaluate`; the path is the residual."""
        self.n_evaluations += 1
        set_theta(self.vector_field, theta)
        with torch.no_grad():
            residual = self.residual(members)
        return Evaluation(residual.square().sum(1).nan_to_num(torch.inf), (residual,))

    def residual(self, members: Tensor) -> Tensor:
        """Slopes of the field as it is minus the given ones, (members, points, n_states); differentiable by torch."""
        look()
        slopes: Tensor = self.vector_field(*self._at(members))
        return slopes - self.derivatives[members]

    def weighted(self, path: tuple[Tensor, ...], weight: Tensor, members: Tensor) -> Tensor:
        """See `AbstractProblem.weighted`."""
        return (path[0] * weight.sqrt()[:, None]).flatten(1)[:, None]

    def prior_cost(self, initial: Tensor, members: Tensor) -> Tensor:
        """Zero: there are no initial states."""
        return self.states.new_zeros(len(members))

    def linearise(self, theta: Tensor, initial: Tensor, path: tuple[Tensor, ...], weight: Tensor, members: Tensor) -> Iterator[Linearised]:
        """See `AbstractProblem.linearise`."""
        self.n_evaluations += 1
        set_theta(self.vector_field, theta)
        n = self.states.shape[2]
        t, states, inputs = self._at(members)
        each = torch.diag_embed(weight.sqrt())[:, None, None].expand(*states.shape[:-1], 1, n, n)
        pieces = self.vector_field.pull_back(t, states.unsqueeze(-2), inputs.unsqueeze(-2), each)
        by_parameters = torch.cat(pieces, dim=-1).flatten(1, 2)[:, None]
        nothing = theta.new_zeros(len(theta), 1, 0)
        yield Linearised(self.weighted(path, weight, members), by_parameters[..., :0], by_parameters, nothing, nothing)

    def _at(self, members: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Time (the field does not depend on it), states and inputs."""
        states = self.states[members]
        return states.new_zeros(()), states, self.inputs.expand(len(states), -1, -1)
