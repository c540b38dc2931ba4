"""What the residuals of a fit say: which states the model does not follow, and what in the record to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from physode.training.stages import FEW_MEASURED

__all__ = ["CLOSE", "Followed", "misfits", "remarks"]

Array = NDArray[np.float64]

UNEXPLAINED = 0.5
"""Residual of a state over its spread above which the model does not follow it, where no noise is stated."""
AS_STATED, MORE, CLOSE = 2.0, 1.2, 0.01
"""Residual over stated noise up to which the noise explains it, and up to which it explains one that has a pattern; residual over spread
up to which it need not."""
HIDING = 0.9
"""Stated noise over spread from which it explains nothing: a model that stands still would be as good as any."""
ALIKE, CERTAIN = 0.5, 4.0
"""Correlation of neighbouring residuals above which they are mostly no noise, and its standard errors above which it is no chance."""
OVERSTATED = 0.3
"""Residual over stated noise below which the noise is less than stated."""
ENOUGH = 30
"""Measurements of a state from which its residual tells the size of its noise, if each trajectory has a few of them."""
FEW, MOST = 0.01, 0.5
"""Share of the measurements that stand out where they make this share of all squared residuals."""


@dataclass(frozen=True)
class Followed:
    """One observed state beside what the model makes of it.

    Attributes
    ----------
    name : str
    measured, modelled : ndarray, shape (trajectory, n)
        NaN where nothing was measured.
    weight : ndarray, shape (trajectory, n)
        Precision of each measurement against the mean of all.
    size : float
        Spread of the state in the record.
    noise : float
        As stated; 0 where it is not.
    slope_of : str or None
        Position that the model takes it for the slope of.
    """

    name: str
    measured: Array
    modelled: Array
    weight: Array
    size: float
    noise: float
    slope_of: str | None

    @cached_property
    def errors(self) -> Array:
        """Weighted residuals."""
        return np.asarray((self.measured - self.modelled) * np.sqrt(self.weight))

    @cached_property
    def residual(self) -> float:
        """Root mean square of the residuals."""
        return float(np.sqrt(np.nanmean(self.errors**2)))

    @cached_property
    def telling(self) -> bool:
        """Whether the residual tells the size of the noise: there is much more to follow than initial states alone can."""
        counts = np.isfinite(self.errors).sum(axis=1)
        return bool(counts.sum() >= max(ENOUGH, FEW_MEASURED * (counts > 0).sum()))

    @cached_property
    def alike(self) -> float:
        """Correlation of each residual with the next one of its trajectory; 0 where they are no more alike than noise can be."""
        rows = [row[np.isfinite(row)] for row in self.errors]
        products = np.concatenate([row[1:] * row[:-1] for row in rows])
        correlation = float(products.sum() / max(len(products), 1)) / (self.residual**2 or 1.0)
        return correlation if correlation > max(ALIKE, CERTAIN / np.sqrt(max(len(products), 1))) else 0.0

    @property
    def hidden(self) -> bool:
        """Whether as much noise is stated as the state varies."""
        return self.noise > HIDING * self.size

    @cached_property
    def outlier(self) -> tuple[int, int] | None:
        """Where the measurement is that is farthest from the model, if few of them make most of the residual."""
        squares = np.nan_to_num(self.errors**2)
        largest = np.sort(squares, axis=None)[-max(1, int(FEW * np.isfinite(self.errors).sum())) :]
        known = max(CLOSE * self.size, AS_STATED * self.noise)
        if not self.telling or self.alike or largest[-1] <= known**2 or largest.sum() <= MOST * squares.sum():
            return None
        row, column = np.unravel_index(int(squares.argmax()), squares.shape)
        return int(row), int(column)


def misfits(states: Sequence[Followed], general: Sequence[str] = ()) -> list[str]:
    """One sentence for each state that the model does not follow, and one for the reasons that there may be.

    Parameters
    ----------
    states : sequence of Followed
    general : sequence of str
        Reasons that do not follow from the residuals.
    """
    found = [(state, *why) for state in states if (why := _misfit(state))]
    if not found:
        return []
    outliers = [f"{state.name} has an outlier (see below)" for state, *_ in found if state.outlier]
    reasons = [*outliers, *general]
    for state, _, reason in found:
        reasons.append(reason)
        if state.slope_of:
            reasons.append(f"{state.name} is not the slope of {state.slope_of} in its unit and sign")
    told = [
        f"The residual of {state.name} is {state.residual / state.size:.2g} of its spread in the record{told}." for state, told, _ in found
    ]
    return [*told, f"Possible reasons: {'; '.join(reasons)}."]


def _misfit(state: Followed) -> tuple[str, str] | None:
    """What follows from the size of a residual that is no noise, and a reason that there may be; None where the residual may be noise."""
    name, residual, size, noise = state.name, state.residual, state.size, state.noise
    if residual <= CLOSE * size:
        return None
    if noise and not state.hidden:
        if residual > AS_STATED * noise:
            told = f", {residual / noise:.2g} times the stated noise: the model does not follow it"
            return told, f"the noise is larger than {name}_noise_std says"
        if not state.alike or residual <= MORE * noise:
            return None
    if state.alike:
        pattern = f"neighbouring ones are alike (correlation {state.alike:.2f}), which noise is not"
        told = f", and {pattern}: the model does not follow it any closer"
        reason = f"measurements of {name} share their errors with the next ones (then state the size of these as {name}_noise_std)"
    elif residual > UNEXPLAINED * size:
        told, reason = ": the model does not follow it", f"{name} is mostly noise (then state its size as {name}_noise_std)"
    else:
        return None
    if state.hidden:
        reason = f"{name}_noise_std says {noise:.2g}, and {name} varies by {size:.2g} in the record: so much noise leaves nothing to follow"
    return told, reason


def remarks(states: Sequence[Followed], time: Array, labels: Sequence[object]) -> list[str]:
    """Sentences on what is odd in a record, whether the model follows it or not.

    Parameters
    ----------
    states : sequence of Followed
    time : ndarray, shape (trajectory, n)
    labels : sequence
        Of the trajectories.
    """
    out = []
    for state in states:
        if state.outlier:
            row, column = state.outlier
            measured, away = state.measured[row, column], abs(state.measured - state.modelled)[row, column]
            out.append(
                f"Few measurements make most of the residual of {state.name}, first of all that at t = {time[row, column]:.6g} in "
                f"trajectory {labels[row]!r}: {measured:.6g}, which is {away:.2g} away from the model. Set it to NaN if it is an outlier."
            )
        if state.telling and state.noise > CLOSE * state.size and state.residual < OVERSTATED * state.noise:
            out.append(
                f"{state.name}_noise_std says {state.noise:.2g}, and the residual is {state.residual:.2g}: with less noise stated, the fit "
                "would use more of the record."
            )
    return out
