"""A network that was switched off is woken where it is missed, and only there."""

from __future__ import annotations

import pytest
import torch
from training_records import field, guess_from, rotation, settings, silent

from physode.solvers import SOLVERS
from physode.training.journal import Journal
from physode.training.result import StopFit
from physode.training.stages import Stages


def test_a_network_that_is_woken_in_vain_sleeps_on(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, states = rotation()
    how = settings("levenberg-marquardt", SOLVERS["rk4"])
    stage = Stages([field()], batch, (0, 1), guess_from(states), how, [torch.Generator()], silent, Journal(None, {}, {}))
    member, everything = torch.tensor([0]), stage.fitted
    everything.theta[:, torch.cat([stage.groups[first] for first, _ in stage.ordered])] = 0.0
    everything.loss[:], stage.least[:] = 0.2, 0.01
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
        stage.awaken(3, member)
    assert len(woken) == 1 and woken[0] != 7.0
    assert torch.equal(everything.theta, asleep.theta) and float(everything.loss) == 0.2
    assert torch.equal(stage.evidence.precision, evidence.precision)
    stage.least[:] = 0.04  # the noise is what it was
    stage.awaken(3, member)
    assert len(woken) == 1
