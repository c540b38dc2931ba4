"""Second tries of a stage keep the better fit."""

from __future__ import annotations

import pytest
import torch
from training_records import field, guess_from, rotation, settings, silent

from physode.solvers import SOLVERS
from physode.training.journal import Journal
from physode.training.result import StopFit
from physode.training.second_tries import SecondTries
from physode.training.stages import Stages


def begun() -> Stages:
    batch, states = rotation()
    how = settings("levenberg-marquardt", SOLVERS["rk4"])
    return Stages([field()], batch, (0, 1), guess_from(states), how, [torch.Generator()], silent, Journal(None, {}, {}))


def test_windows_are_tried_again_from_the_warm_start_unless_their_motion_is_chaotic(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = begun()
    member, everything, tries = torch.tensor([0]), stage.fitted, SecondTries(stage)
    stage.warm_start()
    stage.evidence.precision[:] = 7.0
    everything.theta += 1.0
    everything.loss[:], everything.foldings[:] = 0.2, 3.0
    before = everything.copy()
    assert not len(tries.from_warm_start(9, member))
    assert torch.equal(everything.theta, before.theta)

    def stop(intervals: int, members: torch.Tensor) -> None:
        assert torch.equal(everything.theta, stage.warm) and float(stage.evidence.precision.mean()) != 7.0
        raise StopFit

    everything.foldings[:] = 1.0
    with monkeypatch.context() as patch:
        patch.setattr(stage, "shoot", stop)
        with pytest.raises(StopFit):
            tries.from_warm_start(9, member)
    assert torch.equal(everything.theta, before.theta) and float(everything.loss) == 0.2
    assert float(stage.evidence.precision.mean()) == 7.0
    assert torch.equal(tries.from_warm_start(9, member), member)
    assert int(everything.intervals) == 9 and float(everything.loss) < 0.01 and bool(everything.foldings.isnan())


def test_a_network_that_is_woken_in_vain_sleeps_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = begun()
    member, everything, tries = torch.tensor([0]), stage.fitted, SecondTries(stage)
    everything.theta[:, torch.cat([stage.groups[first] for first, _ in stage.ordered])] = 0.0
    everything.loss[:], tries.least[:] = 0.2, 0.01
    asleep, evidence = everything.copy(), stage.evidence.take(member)
    woken = []

    def worse(intervals: int, members: torch.Tensor) -> None:
        woken.append(float(stage.evidence.precision.mean()))
        everything.theta[members] += 1.0
        everything.loss[members] = 0.3
        raise StopFit

    stage.evidence.precision[:] = evidence.precision[:] = 7.0
    monkeypatch.setattr(stage, "shoot", worse)
    with pytest.raises(StopFit):
        tries.awaken(3, member)
    assert len(woken) == 1 and woken[0] != 7.0
    assert torch.equal(everything.theta, asleep.theta) and float(everything.loss) == 0.2
    assert torch.equal(stage.evidence.precision, evidence.precision)
    tries.least[:] = 0.04  # the noise is what it was
    tries.awaken(3, member)
    assert len(woken) == 1
