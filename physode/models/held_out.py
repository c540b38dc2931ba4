"""The record that stages of a fit are compared on."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physode.errors import DataError
from physode.models.dynamics import LearnedDynamics
from physode.models.layout import Layout
from physode.trajectories import time_dim, validate, values

__all__ = ["check_held_out", "misfit"]

FEWEST = 3
"""Observations that a forecast starts from, at least."""


def check_held_out(layout: Layout, validation: xr.Dataset) -> None:
    """Raise DataError unless a record can tell the stages of a fit apart."""
    try:
        validate(validation)
        layout.check(validation)
    except DataError as error:
        raise DataError(f"validation record: {error}") from error
    data = values(validation, layout.observed)
    first = _warmup(validation)
    begun, later = (np.isfinite(part).any() for part in (data[:, :first], data[:, first:]))
    if not (begun and later):
        raise DataError(
            f"validation record: a model starts from its first {first} of {data.shape[1]} times and forecasts the rest, and "
            f"{'of the rest' if begun else 'there'} nothing was measured; give a longer record."
        )


def misfit(dynamics: LearnedDynamics, validation: xr.Dataset) -> float:
    """Root mean square error of the forecast of the last three quarters of each held-out trajectory, in standard deviations."""
    names, warmup = dynamics.layout.observed, _warmup(validation)
    data = values(validation, names)
    error = (values(dynamics.predict(validation, warmup), names) - data)[:, warmup:]
    error[np.isnan(error) & np.isfinite(data[:, warmup:])] = np.inf  # a forecast that ran away is no forecast
    return float(np.sqrt(np.nanmean((error / dynamics.scaling.scale[list(dynamics.layout.index)]) ** 2)))


def _warmup(validation: xr.Dataset) -> int:
    return max(FEWEST, -(-validation.sizes[time_dim(validation)] // 4))
