"""Small records of known motions, as tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from physode.fields import AbstractField, FirstOrderField
from physode.training.batch import Batch, SampledInputs
from physode.training.fit import fit_fields
from physode.training.fitted import STATUSES, FitSettings, Fitted, Guess

MATRIX = torch.tensor([[-0.1, 1.0], [-1.0, -0.1]], dtype=torch.float64)
"""A damped rotation."""


def no_samples(time: Tensor) -> SampledInputs:
    return SampledInputs(time, time.new_zeros(*time.shape, 0))


def rotation(*, noise: float = 0.0, n_observations: int = 25, duration: float = 6.0, n_trajectories: int = 2) -> tuple[Batch, Tensor]:
    """A batch of damped rotations and the true states; noise from a fixed seed."""
    time = torch.linspace(0, duration, n_observations, dtype=torch.float64).expand(n_trajectories, -1).contiguous()
    angle = torch.arange(n_trajectories, dtype=torch.float64)
    start = torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    flows = torch.linalg.matrix_exp(time[0, :, None, None] * MATRIX)
    states = torch.einsum("oij,bj->boi", flows, start)
    values = states + noise * torch.randn(states.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return Batch(time, values, no_samples(time)), states


def field(n_states: int = 2, n_inputs: int = 0, hidden: tuple[int, ...] = (4,), seed: int = 0) -> FirstOrderField:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FirstOrderField(n_states, n_inputs, hidden, "tanh").double()


def guess_from(states: Tensor, noise: float = 0.05, *, known: bool = False) -> Guess:
    """Guesses that are the states themselves, with a start that is free to move; of one member."""
    slopes = states @ MATRIX.T
    return Guess(
        states[None].clone(),
        slopes[None],
        torch.full((1, 2), noise, dtype=torch.float64),
        torch.full((2,), known),
        torch.full((2,), 1.0, dtype=torch.float64),
        torch.ones(2, dtype=torch.float64),
    )


def settings(optimizer: str, solver: object, *, max_step: float = 0.25, iterations: int = 60) -> FitSettings:
    return FitSettings(optimizer, solver, max_step, iterations, 1e-3)  # type: ignore[arg-type]


def silent(*_: object) -> None:
    """A report that says nothing."""


@dataclass
class One:
    """A `Fitted` of one member, as plain numbers."""

    status: str
    loss: float
    states: Tensor
    noise: Tensor
    theta: Tensor
    solver_error: float
    excursion: float
    max_step: float
    intervals: int
    n_iterations: int
    n_evaluations: int

    @classmethod
    def of(cls, fitted: Fitted) -> One:
        errors = (float(fitted.solver_error[0]), float(fitted.excursion[0]))
        numbers = (*errors, float(fitted.max_step[0]), int(fitted.intervals[0]), int(fitted.n_iterations[0]))
        tensors = (fitted.states[0], fitted.noise[0], fitted.theta[0])
        return cls(STATUSES[int(fitted.status[0])], float(fitted.loss[0]), *tensors, *numbers, fitted.n_evaluations)


def fit_one(
    vector_field: AbstractField,
    batch: Batch,
    guess: Guess,
    how: FitSettings,
    report: Callable[[int, float, int, str], None] = silent,
    judge: Callable[[One], float] | None = None,
    check_time: Callable[[], None] = silent,
) -> One:
    """Fit a field by itself; both components are observed."""

    def tell(members: Tensor, epochs: Tensor, losses: Tensor, nfev: int, stage: str) -> None:
        assert members.tolist() == [0]
        report(int(epochs[0]), float(losses[0]), nfev, stage)

    def judge_one(member: int, fitted: Fitted) -> float:
        return judge(One.of(fitted)) if judge else 0.0

    random, judging = [torch.Generator().manual_seed(0)], judge_one if judge else None
    return One.of(fit_fields([vector_field], batch, (0, 1), guess, how, random, tell, judging, check_time=check_time))


NAN = math.nan
