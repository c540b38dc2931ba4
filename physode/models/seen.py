"""What a model remembers of the record that it was fitted to: enough to know it again, whole or in part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.trajectories import input_values, values

__all__ = ["RUN", "digests", "shares"]

RUN: Final = 8
"""Measured samples in a row that are digested together: what a record shares with another is found from twice as many on."""
FINE, PART, MOST = 0.9, 0.3, 0.9
"""Share of samples that differ from all others of their trajectory from which on one run is as good as a fingerprint, and so is this part
of the samples, one by one; and share of a trajectory's runs that must be known where fewer differ, as in a record of few digits: there
other motions have single runs in common."""
_ODD: Final = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # the multipliers of the splitmix64 generator

Digests = NDArray[np.int64]


def digests(ds: xr.Dataset, observed: Sequence[str], inputs: Sequence[str]) -> Digests:
    """Digest the values of each trajectory, run after run.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.
    observed, inputs : sequence of str
        What a model is fitted to. Samples of which no observed state was measured are left out, and so is the time.

    Returns
    -------
    ndarray of int64
        Sorted; one number for each sample, and one for each `RUN` of them but where nothing changes in these, for they say nothing.
    """
    found = _runs(ds, observed, inputs, 0)
    return np.unique(np.concatenate([np.concatenate([samples, runs[::RUN][moves[::RUN]]]) for samples, runs, moves in found]))


def shares(ds: xr.Dataset, observed: Sequence[str], inputs: Sequence[str], known: Digests, start: int) -> NDArray[np.bool_]:
    """Tell which trajectories are, from sample number `start` on, those of a digested record, whole or in part.

    Returns
    -------
    ndarray of bool, shape (trajectory,)
        True for certain where 2 `RUN` - 1 samples in a row are the same in single precision, or 30 % of all samples are, wherever in the
        record they are; where samples are so coarse that they repeat, only if nearly all that moves in the trajectory is the same.
    """
    return np.array([_is_known(*found, known) for found in _runs(ds, observed, inputs, start)])


def _is_known(samples: Digests, runs: Digests, moves: NDArray[np.bool_], known: Digests) -> bool:
    found = np.isin(runs, known) & moves
    if len(np.unique(samples)) >= FINE * max(1, len(samples)):
        return bool(found.any()) or int(np.isin(samples, known).sum()) >= max(2, PART * len(samples))
    # Only every `RUN`-th run of a record is kept, so that a copy of it is known at one of so many phases.
    return any(found[phase::RUN].sum() >= MOST * max(1, moves[phase::RUN].sum()) for phase in range(min(RUN, len(runs))))


def _runs(
    ds: xr.Dataset, observed: Sequence[str], inputs: Sequence[str], start: int
) -> Iterator[tuple[Digests, Digests, NDArray[np.bool_]]]:
    """Digest of each sample of a trajectory, of the run that begins at it, and whether anything changes in that."""
    for y, u in zip(values(ds, observed), input_values(ds, inputs), strict=True):
        measured = np.isfinite(y[start:]).any(axis=1)
        with np.errstate(over="ignore"):
            rows = np.concatenate([y, u], axis=1)[start:][measured].astype(np.float32) + np.float32(0)  # no negative zero
        rows[np.isnan(rows)] = np.nan  # one kind of NaN
        samples = np.zeros(max(len(rows), RUN), dtype=np.uint64)
        for column in rows.view(np.uint32).T:
            samples[: len(rows)] = _mix(samples[: len(rows)] + column)
        runs = np.lib.stride_tricks.sliding_window_view(samples, RUN)
        total = np.zeros(len(runs), dtype=np.uint64)
        for sample in runs.T:
            total = _mix(total + sample)
        yield samples[: len(rows)].view(np.int64), total.view(np.int64), (runs != runs[:, :1]).any(axis=1)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter 64-bit numbers (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195)."""
    x = x + np.uint64(_ODD[0])
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_ODD[1])
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_ODD[2])
    return np.asarray(x ^ (x >> np.uint64(31)))
