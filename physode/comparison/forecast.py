"""Predictions over a whole record, without a look at what is to be forecast."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from physode.errors import DataError
from physode.trajectories import hide_states, select_split, state_names, time_dim, times, values

__all__ = ["WARMUP_FRACTION", "judged", "predict_all", "split_kind", "split_mask", "with_split"]

WARMUP_FRACTION = 0.25
"""Part of a test trajectory that the unobserved part of its initial state is estimated from."""

_TEST_TRAJECTORIES, _TEST_TIME, _ENOUGH = 0.2, 0.25, 5
_FEWEST = 4
"""Fewest times of a trajectory that is split: two on each side."""
_FIRST = 3
"""Fewest measured samples that a forecast starts from, where there are as many."""


def with_split(record: xr.Dataset) -> xr.Dataset:
    """Mark what is held out, unless the record says it already.

    A fifth of the trajectories, drawn with seed 0, when there are at least five of them; else the last quarter of the time.

    Raises
    ------
    DataError
        If what the record says leaves nothing to fit, or nothing to be judged by, or if its trajectories are too few and too short.
    """
    from physode.trajectories import split

    if "split" in record.coords:
        marks = sorted(set(record["split"].values.ravel().tolist()) - {""})
        if not {"train", "test"}.issubset(marks):
            raise DataError(
                f"the coordinate 'split' of the record marks {' and '.join(map(repr, marks))}; a comparison needs 'train' and 'test'. "
                "Without the coordinate the record is split here."
            )
        return record
    if record.sizes["trajectory"] >= _ENOUGH:
        return split(record, test=_TEST_TRAJECTORIES, by="trajectory", seed=0)
    count, label = min(zip(np.isfinite(times(record)).sum(axis=1).tolist(), record["trajectory"].values.tolist(), strict=True))
    if count < _FEWEST:
        raise DataError(
            f"a comparison of fewer than {_ENOUGH} trajectories holds out the last part of each, which takes at least {_FEWEST} times, and "
            f"trajectory {label!r} has {count}; give longer trajectories, or at least {_ENOUGH} of them."
        )
    return split(record, test=_TEST_TIME, by="time")


def split_kind(record: xr.Dataset) -> str:
    """Say whether ``split`` parts ``"trajectory"`` or ``"time"``."""
    return "trajectory" if record["split"].dims == ("trajectory",) else "time"


def split_mask(record: xr.Dataset, part: str) -> xr.DataArray:
    """Mark the samples of one part, with the dimensions (trajectory, time or obs)."""
    like = record[state_names(record)[0]]
    return (record["split"] == part).broadcast_like(like).transpose(*like.dims)


def judged(record: xr.Dataset, part: str) -> xr.DataArray:
    """Mark the samples that a part is judged by: of held-out trajectories those after the ones that their forecasts start from."""
    mask = split_mask(record, part)
    if split_kind(record) == "time" or part == "train":
        return mask
    dim = time_dim(record)
    return mask & (xr.DataArray(np.arange(mask.sizes[dim]), dims=dim) >= _warmup(select_split(record, part)))


def predict_all(model: Any, record: xr.Dataset) -> xr.Dataset:
    """Predict every trajectory of a record on its own coordinates.

    Trajectories that were fitted start where all of their observations say; held-out ones where their first quarter says, or more,
    where one of them was not measured in it. When the end of the time is held out, those observations are hidden and the
    prediction runs on from the fitted part.

    Parameters
    ----------
    model : fitted estimator
        With ``predict(ds, warmup=None)``.
    record : xarray.Dataset
        With its coordinate ``split``.

    Returns
    -------
    xarray.Dataset
        All states of the model on the record's coordinates.
    """
    if split_kind(record) == "time":
        return _on(model.predict(hide_states(record, split_mask(record, "test"))), record)
    parts = [model.predict(select_split(record, "train"))]
    for part in sorted(set(record["split"].values.tolist()) - {"train"}):
        held_out = select_split(record, part)
        parts.append(model.predict(held_out, warmup=_warmup(held_out)))
    return _on(xr.concat(parts, "trajectory", join="exact", compat="override", coords="minimal"), record)


def _warmup(held_out: xr.Dataset) -> int:
    """Samples that forecasts start from: a quarter, and more where a trajectory was not measured in it, but never all of the longest."""
    longest = int(np.isfinite(times(held_out)).sum(axis=1).max())
    measured = np.isfinite(values(held_out, state_names(held_out))).any(axis=2).cumsum(axis=1)
    begun = int((measured < np.minimum(_FIRST, measured[:, -1:])).sum(axis=1).max()) + 1
    return min(max(_FIRST, math.ceil(WARMUP_FRACTION * longest), begun), longest - 1)


def _on(prediction: xr.Dataset, record: xr.Dataset) -> xr.Dataset:
    """Put a prediction on exactly the record's coordinates, in the record's order."""
    order = prediction.indexes["trajectory"].get_indexer(record.indexes["trajectory"])
    dims = ("trajectory", time_dim(record))
    variables = {name: (dims, prediction[name].transpose(*dims).values[order], prediction[name].attrs) for name in prediction.data_vars}
    return xr.Dataset(variables, coords=record.coords).assign_attrs(prediction.attrs)


def finite_pairs(measured: xr.DataArray, predicted: xr.DataArray, mask: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Give what was measured and what was predicted at the marked samples that were measured; infinite where a forecast ran away."""
    wanted = mask.values & np.isfinite(measured.values)
    found = predicted.values[wanted]
    return measured.values[wanted], np.where(np.isnan(found), np.inf, found)
