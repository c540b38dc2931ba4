"""What goes into a fit of a field and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from physode.solvers.base import AbstractSolver

__all__ = ["STATUSES", "FitSettings", "Fitted", "Guess", "stack_guesses"]

STATUSES = ("max_iterations", "converged", "stopped", "time_budget", "interrupted")
"""See `FitResult.status`."""


@dataclass(frozen=True)
class FitSettings:
    """How to fit; see the models for what each setting means to a user.

    Attributes
    ----------
    optimizer : {"levenberg-marquardt", "lbfgs", "adam"}
    solver : AbstractSolver
    max_step : float
        Largest step in scaled time.
    max_iterations : int
        Accepted steps in each stage.
    tolerance : float
        Share of the residual that three steps must gain to go on.
    """

    optimizer: str
    solver: AbstractSolver
    max_step: float
    max_iterations: int
    tolerance: float


@dataclass(frozen=True)
class Guess:
    """First guesses of the full state at every observation, scaled.

    Attributes
    ----------
    states, derivatives : Tensor, shape (members, trajectories, observations, n_states)
        NaN where a trajectory has ended; the derivatives also where nothing tells them.
    noise : Tensor, shape (members, n_observed)
        Standard deviation of the observed states.
    known_noise : Tensor of bool, shape (n_observed,)
    initial_precision : Tensor, shape (n_states,)
        Prior precision of the components of an initial state around the guess.
    spread : Tensor, shape (n_observed,)
        Standard deviation of what was measured, scaled: 1 where a state's scale is that, as in most models.
    """

    states: Tensor
    derivatives: Tensor
    noise: Tensor
    known_noise: Tensor
    initial_precision: Tensor
    spread: Tensor


def stack_guesses(guesses: Sequence[Guess], device: torch.device, dtype: torch.dtype) -> Guess:
    """Join the guesses of members, each with a leading dimension of 1, where a fit computes."""
    states, derivatives, noise = (
        torch.cat([getattr(guess, name) for guess in guesses]).to(device, dtype) for name in ("states", "derivatives", "noise")
    )
    precision, spread = (part.to(device, dtype) for part in (guesses[0].initial_precision, guesses[0].spread))
    return Guess(states, derivatives, noise, guesses[0].known_noise.to(device), precision, spread)


@dataclass
class Fitted:
    """Where a fit stands, for each of its members.

    Attributes
    ----------
    theta : Tensor, shape (members, n_parameters)
    states : Tensor, shape (members, trajectories, observations, n_states)
        States along the record.
    noise : Tensor, shape (members, n_observed)
    loss, solver_error : Tensor, shape (members,)
        See `FitResult`; the error is NaN where a stopped fit was not compared.
    excursion : Tensor, shape (members,)
        Largest deviation from the mean in free runs of the learned field along the record, up to `LONGEST` intervals each, over the largest
        one in the record itself; NaN where a stopped fit was not run.
    foldings : Tensor, shape (members,)
        Powers of e by which perturbations of the learned motion grow in the windows that could not be followed; NaN where all could.
    max_step : Tensor, shape (members,)
        Largest step in the end, scaled time.
    intervals : Tensor of int64, shape (members,)
        Length of the longest windows that were fitted.
    sampled : Tensor of bool, shape (members,)
        Whether the last stage looked at some of the windows only.
    status : Tensor of int64, shape (members,)
        Position in `STATUSES`.
    n_iterations : Tensor of int64, shape (members,)
    n_evaluations : int
        Evaluations of the field on the whole batch, of all members together.
    """

    theta: Tensor
    states: Tensor
    noise: Tensor
    loss: Tensor
    solver_error: Tensor
    excursion: Tensor
    foldings: Tensor
    max_step: Tensor
    intervals: Tensor
    sampled: Tensor
    status: Tensor
    n_iterations: Tensor
    n_evaluations: int = 0

    @classmethod
    def start(cls, theta: Tensor, guess: Guess, max_step: float) -> Fitted:
        """Nothing is fitted yet."""
        each = theta.new_ones(len(theta))
        number = torch.zeros(len(theta), dtype=torch.int64, device=theta.device)
        unknown, status = each * torch.nan, number + STATUSES.index("max_iterations")
        parts = (theta.clone(), guess.states.clone(), guess.noise.clone(), each * torch.inf, unknown, unknown.clone(), unknown.clone())
        return cls(*parts, each * max_step, number, number > 0, status, number.clone())

    def copy(self) -> Fitted:
        """Copy, with tensors of its own."""
        return self._each(torch.clone)

    def of(self, member: int) -> Fitted:
        """One member by itself; its tensors keep a leading dimension of 1."""
        return self._each(lambda part: part[member : member + 1])

    def _each(self, function: Callable[[Tensor], Tensor]) -> Fitted:
        parts = {part.name: function(getattr(self, part.name)) for part in fields(self) if part.name != "n_evaluations"}
        return Fitted(**parts, n_evaluations=self.n_evaluations)

    def put(self, members: Tensor, other: Fitted) -> None:
        """Take some members from another fit; what was spent stays spent."""
        for part in fields(self):
            mine = getattr(self, part.name)
            if isinstance(mine, Tensor) and part.name != "n_iterations":
                mine[members] = getattr(other, part.name)[members]
