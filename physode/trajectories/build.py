"""Puts trajectories together into one record, regular if they share their times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import DataError, unknown_name
from physode.trajectories.contract import STATE_ROLES
from physode.trajectories.names import variable_name

__all__ = ["Columns", "assemble", "trajectory_labels"]


@dataclass(frozen=True)
class Columns:
    """What the user said about the columns: their labels, units and roles."""

    time: str
    states: Sequence[str]
    inputs: Sequence[str] = ()
    units: Mapping[str, str] | None = None
    roles: Mapping[str, str] | None = None

    def attributes(self) -> dict[str, dict[str, Any]]:
        """Give the attributes of each column by its label, the time's included."""
        labels = [*self.states, *self.inputs]
        known = [self.time, *labels]
        units = dict(self.units or {})
        for label in units:
            if label not in known:
                raise unknown_name("column in units", str(label), known)
        attrs: dict[str, dict[str, Any]] = {}
        for label in known:
            attrs[label] = {"long_name": _printable(label)} | ({"units": units[label]} if label in units else {})
        for label in self.inputs:
            attrs[label]["role"] = "input"
        for label, role in self._state_roles().items():
            attrs[label] |= role
        return attrs

    def _state_roles(self) -> dict[str, dict[str, str]]:
        roles = dict(self.roles or {})
        for label in roles:
            if label not in self.states:
                raise unknown_name("state in roles", str(label), map(str, self.states))
        kinds = {label: str(roles.get(label, "state")).partition(" of ") for label in self.states}
        positions = [label for label, (kind, _, _) in kinds.items() if kind == "position"]
        result = {}
        for label, (kind, _, of) in kinds.items():
            if kind not in STATE_ROLES:
                raise unknown_name(f"role of the state {label!r}:", kind, STATE_ROLES)
            result[label] = {"role": kind}
            if kind in ("velocity", "momentum"):
                if not of and len(positions) != 1:
                    raise DataError(
                        f"the state {label!r} has the role {kind!r}, but there are {len(positions)} positions; "
                        f"say of which, for example '{kind} of {positions[0] if positions else 'x'}'."
                    )
                result[label]["time_derivative_of" if kind == "velocity" else "conjugate_to"] = variable_name(of or positions[0])
        return result


def _printable(label: str) -> str:
    return str(label).replace("\0", "_").encode("utf-8", "replace").decode("utf-8")


def trajectory_labels(labels: Sequence[Any]) -> NDArray[Any]:
    """Make the trajectory coordinate: int64 where every label is a whole number in its plain form, else text.

    Examples
    --------
    >>> trajectory_labels(["1", "2"])
    array([1, 2])
    >>> trajectory_labels(["01", "2"])
    array(['01', '2'], dtype='<U2')
    """
    texts = [_label_text(label) for label in labels]
    if all(map(_is_plain_integer, texts)):
        return np.array([int(text) for text in texts], dtype=np.int64)
    return np.array(texts, dtype=str)


def _label_text(label: Any) -> str:
    whole = isinstance(label, (float, np.floating)) and float(label).is_integer()
    return str(int(label)) if whole else str(label).strip()


def _is_plain_integer(text: str) -> bool:
    return len(text) < 19 and text.removeprefix("-").isdecimal() and str(int(text)) == text


def assemble(
    columns: Columns,
    labels: NDArray[Any],
    time: Sequence[NDArray[np.float64]],
    data: Mapping[str, Sequence[NDArray[np.float64]]],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Make a record from the times and columns of each trajectory.

    Parameters
    ----------
    columns : Columns
        Labels, units and roles.
    labels : ndarray, shape (trajectory,)
        The trajectory coordinate.
    time : sequence of ndarray, each of shape (n_i,)
        The times of each trajectory.
    data : mapping from label to sequence of ndarray, each of shape (n_i,)
        The values of each column of states and inputs, trajectory by trajectory.
    attrs : mapping
        The record's attributes.
    """
    described = columns.attributes()
    regular = all(np.array_equal(time[0], other) for other in time[1:])
    dims = ("trajectory", "time") if regular else ("trajectory", "obs")
    length = max(map(len, time))
    coords: dict[str, Any] = {"trajectory": ("trajectory", labels)}
    coords["time"] = ("time", time[0], described[columns.time]) if regular else (dims, _padded(time, length), described[columns.time])
    variables: dict[str, Any] = {}
    for label in (*columns.states, *columns.inputs):
        name = variable_name(label)
        if name in variables:
            raise DataError(f"two columns would both be called {name!r} (a slash becomes an underscore); rename the column {label!r}.")
        variables[name] = (dims, _padded(data[label], length), described[label])
    return xr.Dataset(variables, coords=coords, attrs=dict(attrs))


def _padded(parts: Sequence[NDArray[np.float64]], length: int) -> NDArray[np.float64]:
    result = np.full((len(parts), length), np.nan)
    for row, part in zip(result, parts, strict=True):
        row[: len(part)] = part
    return result
