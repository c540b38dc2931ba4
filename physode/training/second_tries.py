"""Second tries: a stage that ended in a poor place is fitted again from another start, and the better fit is kept."""

from __future__ import annotations

import torch
from torch import Tensor

from physode.training.horizon import MOST_FOLDINGS
from physode.training.stages import Stages

__all__ = ["SecondTries"]

OFF = 0.05
"""Root mean square of the parameters that bend a field's law below which a network counts as switched off."""
RISE = 1.1
"""Noise that a stage leaves over the least that any did, or over what is stated, above which a law without its network is not enough."""


class SecondTries:
    """The second tries of one fit.

    Parameters
    ----------
    stages : Stages
        Nothing is fitted yet.

    Attributes
    ----------
    least : Tensor, shape (members,)
        Least variance of the noise that any stage left, or what is stated, over that of the states.
    """

    def __init__(self, stages: Stages) -> None:
        self.stages = stages
        self.least = self._noise().where(stages.guess.known_noise.all(), torch.inf)

    def from_warm_start(self, intervals: int, members: Tensor) -> Tensor:
        """Fit windows that could not be followed from where the warm start ended, unless the motion is chaotic in them.

        In short windows a wrong law can do, and there is no way from it to the law that longer ones ask for.

        Returns
        -------
        Tensor of int64
            The members for which it went well; the others are back at the shorter windows.
        """
        stages, fitted = self.stages, self.stages.fitted
        members = members[fitted.foldings[members] <= MOST_FOLDINGS]
        shorter, evidence, followed = fitted.copy(), stages.evidence.take(members), members[:0]
        fitted.theta[members], fitted.states[members] = stages.warm[members], stages.guess.states[members]
        stages.evidence.put(members, stages.first_evidence().take(members))
        try:
            followed = stages.shoot(intervals, members)
        finally:
            stages.keep_running()  # if it was stopped
            lost = ~torch.isin(members, followed)
            fitted.put(members[lost], shorter)
            stages.evidence.put(members[lost], evidence.take(lost))
        fitted.foldings[followed] = torch.nan
        return followed

    def awaken(self, intervals: int, members: Tensor) -> None:
        """Fit windows again with hidden layers as they were at first, where a network was switched off and is missed.

        What short windows do not ask for is taken to zero, hidden layers and all. There each layer waits for the other, and longer windows,
        which ask for it, stay with the linear law: the noise that they leave grows. A field that is its law until a record says otherwise
        is left alone.
        """
        stages, fitted = self.stages, self.stages.fitted
        missed = self._noise_grew(members)
        bending = [stages.groups[first] for first, _ in stages.ordered]
        hidden = sorted(set(range(len(stages.groups))) - {k for pair in stages.ordered for k in pair})
        lawful = stages.single.first_precision > OFF**-2
        if not stages.by_curvature or not bending or not hidden or lawful:
            return
        off = fitted.theta[members][:, torch.cat(bending)].square().mean(1).sqrt() < OFF
        members = members[off & missed]
        if not len(members):
            return
        asleep, evidence = fitted.copy(), stages.evidence.take(members)
        for k in hidden:
            fitted.theta[members[:, None], stages.groups[k]] = stages.first[members[:, None], stages.groups[k]]
        stages.evidence.precision[members] = stages.first_evidence().precision[members]
        try:
            stages.shoot(intervals, members)
        finally:
            stages.keep_running()  # if it was stopped
            worse = ~(fitted.loss[members] < asleep.loss[members])
            fitted.put(members[worse], asleep)
            stages.evidence.put(members[worse], evidence.take(worse))
        self._noise_grew(members)

    def _noise_grew(self, members: Tensor) -> Tensor:
        """Tell for which members the last stage left more noise than one before, or than is stated; remember the least."""
        level = self._noise()[members].maximum(self.stages.fitted.loss[members].square())
        grew = level > RISE**2 * self.least[members]
        self.least[members] = self.least[members].minimum(level)
        return grew

    def _noise(self) -> Tensor:
        """Variance of each member's noise, stated or estimated, over that of the states, shape (members,)."""
        mask, guess = self.stages.batch.mask, self.stages.guess
        share = mask.sum((0, 1)) / mask.sum()
        return (share * self.stages.evidence.variance / guess.spread.square()).sum(1)
