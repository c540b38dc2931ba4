"""Long work can be ended from where it was begun: every integration looks at the clock as it goes."""

from __future__ import annotations

import math

import pytest
import torch

from physode.fields import FirstOrderField, HamiltonianField
from physode.solvers import SOLVERS, get_solver
from physode.solvers.adaptive import ADAPTIVE
from physode.solvers.base import AbstractSolver
from physode.solvers.rollout_solver import RolloutSolver
from physode.solvers.runge_kutta import RUNGE_KUTTA
from physode.solvers.watch import look, watched
from physode.training.batch import SampledInputs


class Enough(Exception):
    pass


class Watch:
    """Counts the looks, and has enough after so many."""

    def __init__(self, most: float = math.inf) -> None:
        self.most, self.looks = most, 0

    def __call__(self) -> None:
        self.looks += 1
        if self.looks > self.most:
            raise Enough


def integrate(solver: AbstractSolver, *, own_times: bool = False) -> torch.Tensor:
    """States of two trajectories at twenty times, to be differentiated."""
    torch.manual_seed(0)
    field = HamiltonianField(1, 0, (3,), "tanh", separable=True) if solver is SOLVERS["leapfrog"] else FirstOrderField(2, 0, (3,), "tanh")
    time = torch.linspace(0, 2, 20, dtype=torch.float64).repeat(2, 1)
    time[1] *= 1 + own_times
    initial = torch.tensor([[1.0, 0.0], [0.5, 0.2]], dtype=torch.float64)
    return solver.integrate(field.double(), initial, time, SampledInputs(time, time.new_zeros(2, 20, 0)), 0.1)


ALL = {**SOLVERS, "by hand": RolloutSolver(RUNGE_KUTTA["rk4"])}


@pytest.mark.parametrize("own_times", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_every_solver_can_be_ended_between_its_steps(name: str, own_times: bool) -> None:
    watch = Watch()
    with watched(watch):
        whole = integrate(ALL[name], own_times=own_times)
    assert watch.looks >= 19 and torch.equal(whole, integrate(ALL[name], own_times=own_times))
    with watched(Watch(10)), pytest.raises(Enough):
        integrate(ALL[name], own_times=own_times)


@pytest.mark.parametrize("name", ["by hand", "adjoint", "interpolated-adjoint"])
def test_gradients_of_our_own_can_be_ended_too(name: str) -> None:
    solver = ALL[name] if name in ALL else get_solver(ADAPTIVE[0], name)
    states = integrate(solver)
    with watched(Watch(5)), pytest.raises(Enough):
        states.sum().backward()  # type: ignore[no-untyped-call]


def test_the_inner_watch_ends_with_its_work() -> None:
    outer, inner = Watch(), Watch(0)
    with watched(outer):
        with pytest.raises(Enough), watched(inner):
            look()
        look()
    look()
    assert (outer.looks, inner.looks) == (1, 1)
