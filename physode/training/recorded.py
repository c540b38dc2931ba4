"""A run of an optimiser, or what the journal holds of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from physode.training.clock import Clock
from physode.training.evidence import Evidence
from physode.training.fitted import Fitted
from physode.training.journal import Journal, Keep, State
from physode.training.levenberg_marquardt import Point

__all__ = ["recorded"]


class _Counts(Protocol):
    n_evaluations: int


def recorded(
    journal: Journal,
    problem: _Counts,
    fitted: Fitted,
    evidence: Evidence,
    random: Sequence[torch.Generator],
    optimise: Callable[..., Point],
    clock: Clock,
) -> Point:
    """Run an optimiser, or read from the journal what it gave.

    Parameters
    ----------
    journal : Journal
    problem : object
        Counts its evaluations, as `n_evaluations`.
    fitted : Fitted
        Counts iterations.
    evidence : Evidence
        As the run left it, afterwards; so are these.
    random : sequence of torch.Generator
    optimise : callable
        Takes where it stood, as `going`, and who keeps where it stands, as `keep`.
    clock : Clock
        Looked at after each round, once it is kept.
    """
    device = fitted.theta.device

    def put_random(states: Sequence[Tensor]) -> None:
        for one, state in zip(random, states, strict=True):
            one.set_state(state)

    def run(going: State, keep: Keep) -> State:
        if going is not None:
            fitted.n_iterations = going["iterations"].to(device)
            put_random(going["random"])
        own = None if going is None else going["optimiser"]

        def standing(optimiser: Callable[[], State]) -> State:
            return {"optimiser": optimiser(), "iterations": fitted.n_iterations, "random": [one.get_state() for one in random]}

        def after_each(optimiser: Callable[[], State]) -> None:
            keep(partial(standing, optimiser))
            clock.keep()
            clock.look()

        point = optimise(going=own, keep=after_each)
        clock.keep()
        return {
            "point": (point.theta, point.initial, point.squares, point.converged),
            "evidence": (evidence.variance, evidence.precision),
            "spent": problem.n_evaluations,
            "iterations": fitted.n_iterations.clone(),
            "random": [one.get_state() for one in random],
        }

    result = journal.run(run)
    evidence.variance, evidence.precision = (part.to(device) for part in result["evidence"])
    problem.n_evaluations, fitted.n_iterations = result["spent"], result["iterations"].to(device)
    put_random(result["random"])
    return Point(*(part.to(device) for part in result["point"]))
