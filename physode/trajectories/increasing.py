"""Times must increase along each trajectory; the message says where they do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from physode.errors import DataError

__all__ = ["check_increasing"]


def check_increasing(time: NDArray[np.float64], trajectory: object, row: Callable[[int], str], *, hint: str = "") -> None:
    """Raise DataError unless the times of one trajectory are finite and strictly increasing.

    Parameters
    ----------
    time : ndarray, shape (n,)
        The times of one trajectory, padding taken off.
    trajectory : object
        Its label, for the message.
    row : callable
        Says where element `i` came from, such as ``"line 4"``.
    hint : str, default ""
        One more sentence for the message.

    Examples
    --------
    >>> check_increasing(np.array([0.0, 1.0]), 0, lambda i: f"row {i + 1}")
    """
    bad = np.flatnonzero(~np.isfinite(time))
    if bad.size:
        first = int(bad[0])
        found = "missing" if np.isnan(time[first]) else "infinite"
        raise DataError(
            f"trajectory {trajectory!r}: the time in {row(first)} is {found}; every row needs a time. Remove the row or give its time."
        )
    bad = np.flatnonzero(time[1:] <= time[:-1])
    if not bad.size:
        return
    first = int(bad[0])
    before, after = float(time[first]), float(time[first + 1])
    if before == after:
        raise DataError(
            f"trajectory {trajectory!r}: the time {after!r} is repeated in {row(first + 1)} (also in {row(first)}); "
            f"times must be strictly increasing. Keep one row for each time, or average them.{hint}"
        )
    raise DataError(
        f"trajectory {trajectory!r}: time goes backwards in {row(first + 1)}, from {before!r} to {after!r}; "
        f"times must be strictly increasing. Sort the rows by time.{hint}"
    )
