"""From a scaled record to fitted fields: warm start, then shooting over windows that grow to whole trajectories."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.fields.members import set_theta
from physode.solvers.watch import watched
from physode.training.batch import Batch
from physode.training.clock import Clock
from physode.training.fitted import STATUSES, FitSettings, Fitted, Guess
from physode.training.journal import Journal
from physode.training.result import StopFit
from physode.training.second_tries import SecondTries
from physode.training.stages import Report, Stages

__all__ = ["fit_fields"]


def fit_fields(
    fields: Sequence[AbstractField],
    batch: Batch,
    observed: tuple[int, ...],
    guess: Guess,
    settings: FitSettings,
    random: Sequence[torch.Generator],
    report: Report,
    judge: Callable[[int, Fitted], float] | None = None,
    journal: Journal | None = None,
    check_time: Callable[[], None] = lambda: None,
) -> Fitted:
    """Fit fields of one architecture, the members, to a batch of trajectories: many at once cost little more than one.

    Parameters
    ----------
    fields : sequence of AbstractField
        Changed in place; they hold the best parameters at the end, however the fit ended.
    batch : Batch
        With values for each member, or for all.
    observed : tuple of int
        Components of the state that the batch measures.
    guess : Guess
    settings : FitSettings
    random : sequence of torch.Generator
        One for each member, of the CPU, for windows and minibatches.
    report : callable
    judge : callable, optional
        Error of a member (its number, and where the fit stands) on held-out data; of the stages the one with the smallest is kept.
    journal : Journal, optional
        Where to keep what was done, and to go on from.
    check_time : callable, optional
        Called after each round of an optimiser, whether it gained or not, and from then on in the midst of every integration; may raise
        StopFit.

    Returns
    -------
    Fitted
    """
    journal = journal or Journal(None, {}, {})
    clock = Clock(check_time)
    stages = Stages(fields, batch, observed, guess, settings, random, report, journal, clock)
    tries, fitted = SecondTries(stages), stages.fitted
    best, least = fitted.copy(), torch.full_like(fitted.loss, torch.inf)

    def errors(members: Tensor) -> Tensor:
        out = least.clone()
        for member in members.tolist():
            set_theta(fields[member], fitted.theta[member : member + 1])
            out[member] = judge(member, fitted.of(member)) if judge else 0.0
        return out

    members = torch.arange(len(fields), device=fitted.theta.device)
    try:
        with watched(clock.look):
            stages.warm_start()
            for intervals in stages.lengths():
                members = members[~stages.beyond(intervals, members)]
                followed = stages.shoot(intervals, members)
                tries.awaken(intervals, followed)
                lost = members[~torch.isin(members, followed)]
                stages.measure_growth(intervals, lost)
                members = torch.cat([followed, tries.from_warm_start(intervals, lost)]).sort().values
                if not len(members):
                    break
                if judge is not None:
                    found = errors(members)
                    best.put(found < least, fitted)
                    least = least.minimum(found)
            if judge is not None:
                fitted.put(least.isfinite(), best)
            stages.complete()
            stages.refine()
            stages.run_free()
    except (StopFit, KeyboardInterrupt) as stop:
        journal.write()
        stages.keep_running()
        if judge is not None:
            fitted.put(errors(torch.nonzero(least.isfinite())[:, 0]) > least, best)
        fitted.status[:] = STATUSES.index(stop.status if isinstance(stop, StopFit) else "interrupted")
    except Exception:
        journal.write()
        raise
    for member, field in enumerate(fields):
        set_theta(field, fitted.theta[member : member + 1])
    return fitted
