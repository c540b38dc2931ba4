"""The record that stages of a fit are compared on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import DataError
from physode.models.dynamics import LearnedDynamics
from physode.models.encoding import check_warmup
from physode.models.layout import Layout
from physode.models.seen import digests, shares
from physode.trajectories import check_record, times, values

__all__ = ["check_held_out", "misfit"]

FEWEST, SHARE = 3, 0.25
"""A forecast starts from this share of the longest trajectory, and from so many samples at least."""


def check_held_out(layout: Layout, validation: xr.Dataset, records: Sequence[xr.Dataset]) -> None:
    """Raise DataError unless a record can tell the stages of a fit to others apart."""
    try:
        check_record(validation)
        layout.check(validation)
        warmup = _warmup(validation)
        check_warmup(validation, layout.observed, warmup)
        if not np.isfinite(values(validation, layout.observed)[:, warmup:]).any():
            raise DataError(f"nothing was measured after its first {warmup} samples, which a forecast starts from; give a longer one.")
        _refuse_fitted(layout, validation, records, warmup)
    except DataError as error:
        raise DataError(f"validation record: {error}") from error


def _refuse_fitted(layout: Layout, validation: xr.Dataset, records: Sequence[xr.Dataset], warmup: int) -> None:
    known = np.concatenate([digests(record, layout.observed, layout.inputs) for record in records])
    fitted = shares(layout.as_fitted(validation), layout.observed, layout.inputs, known, warmup)
    if fitted.any():
        found = ", ".join(map(repr, validation["trajectory"].values[fitted].tolist()))
        raise DataError(
            f"samples after its first {warmup} have the values of some that are fitted, in trajectory {found}: they cannot judge the fit. "
            "Give a record that is held out (physode.split makes one), or leave validation out."
        )


def misfit(dynamics: LearnedDynamics, validation: xr.Dataset, spread: NDArray[np.float64]) -> float:
    """Root mean square error of the forecast of the last three quarters of each held-out trajectory, over the spread of each state."""
    names, warmup = dynamics.layout.observed, _warmup(validation)
    data = values(validation, names)
    error = (values(dynamics.predict(validation, warmup), names) - data)[:, warmup:]
    error[np.isnan(error) & np.isfinite(data[:, warmup:])] = np.inf  # a forecast that ran away is no forecast
    return float(np.sqrt(np.nanmean((error / spread) ** 2)))


def _warmup(validation: xr.Dataset) -> int:
    longest = int(np.isfinite(times(validation)).sum(axis=1).max())
    return min(max(FEWEST, math.ceil(SHARE * longest)), max(longest - 1, 1))
