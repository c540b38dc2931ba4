"""Every error that physode raises on purpose: it says what happened, what was found, and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "CheckpointWarning",
    "DataError",
    "ExistsError",
    "FileFormatError",
    "FitError",
    "NotFittedError",
    "PhysodeError",
    "SimulationError",
    "SimulationWarning",
    "UnknownNameError",
    "more_failed",
    "unknown_name",
]


class PhysodeError(ValueError):
    """Base of all errors that physode raises on purpose."""


class DataError(PhysodeError):
    """A record breaks the data contract; the message names the variable."""


class UnknownNameError(PhysodeError):
    """A model, system, data set or study of that name does not exist."""


class FileFormatError(PhysodeError):
    """A file is damaged, of another kind, or of another version."""


class ExistsError(PhysodeError):
    """A result is there already and would have been overwritten."""


class SimulationError(PhysodeError):
    """An integration could not be carried to its end."""


class SimulationWarning(RuntimeWarning):
    """Some trajectories could not be carried to their end, and their values are NaN from there on; or they exploded on the way."""


class CheckpointWarning(RuntimeWarning):
    """The checkpoint of a running fit could not be written."""


class NotFittedError(PhysodeError):
    """A model was asked for something that only a fitted one can give."""


class FitError(PhysodeError):
    """A fit could not be started or gave nothing that could be kept."""


def more_failed(labels: Sequence[object]) -> str:
    """Say of which further trajectories the same is true, naming the first nine.

    Examples
    --------
    >>> more_failed(["slow"])
    " (1 more trajectory failed: 'slow')"
    >>> more_failed(range(1, 20))
    ' (19 more trajectories failed: 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)'
    >>> more_failed([])
    ''
    """
    if not labels:
        return ""
    what = "trajectory" if len(labels) == 1 else "trajectories"
    return f" ({len(labels)} more {what} failed: {', '.join(map(repr, labels[:9]))}{', ...' if len(labels) > 9 else ''})"


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> UnknownNameError:
    """Make the error for a name that is not in a registry.

    Parameters
    ----------
    kind : str
        What was looked up, for example ``"system"``.
    name : str
        What was asked for.
    choices : iterable of str
        The names that exist.

    Returns
    -------
    UnknownNameError
        To be raised by the caller; it lists the choices and the closest one.

    Examples
    --------
    >>> print(unknown_name("system", "pendulm", ["lorenz", "pendulum"]))
    unknown system 'pendulm'; did you mean 'pendulum'? Choose from: lorenz, pendulum.
    """
    known = sorted(choices)
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    choice = f"Choose from: {', '.join(known)}." if known else "There is none to choose from."
    return UnknownNameError(f"unknown {kind} {name!r}{hint} {choice}")
