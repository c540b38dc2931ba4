"""Puts trajectories together into one record, regular if they share their times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import DataError, unknown_name
from physode.trajectories.contract import INTERPOLATIONS, STATE_ROLES
from physode.trajectories.names import variable_name

__all__ = ["Columns", "assemble", "listed", "trajectory_labels"]


def listed(use: str, labels: Iterable[str] | None) -> tuple[str, ...]:
    """Labels from a list, an array, an Index, a Series or None; a text, whose letters would be meant, is refused.

    Examples
    --------
    >>> listed("states", np.array(["x", "v"]))
    ('x', 'v')
    """
    if isinstance(labels, str):
        raise DataError(f"{use} is the text {labels!r}; give a list of names: {use}=[{labels!r}].")
    return tuple(labels.tolist() if isinstance(labels, np.ndarray) else labels if labels is not None else ())


@dataclass(frozen=True)
class Columns:
    """What the user said about the columns: their labels, units and roles."""

    time: str
    states: Sequence[str]
    inputs: Sequence[str] = ()
    units: Mapping[str, str] | None = None
    roles: Mapping[str, str] | None = None
    interpolation: Mapping[str, str] | None = None

    def attributes(self) -> dict[str, dict[str, Any]]:
        """Give the attributes of each column by its label, the time's included."""
        labels = [*self.states, *self.inputs]
        known = [self.time, *labels]
        units = _given(self.units)
        for label in units:
            if label not in known:
                raise unknown_name("column in units", str(label), known)
        attrs: dict[str, dict[str, Any]] = {}
        for label in known:
            attrs[label] = {"long_name": _printable(label)} | ({"units": units[label]} if label in units else {})
        for label in self.inputs:
            attrs[label]["role"] = "input"
        for label, kind in _given(self.interpolation).items():
            if label not in self.inputs:
                raise unknown_name("input in interpolation", str(label), map(str, self.inputs))
            if kind not in INTERPOLATIONS:
                raise unknown_name(f"interpolation of the input {label!r}:", str(kind), INTERPOLATIONS)
            attrs[label]["interpolation"] = kind
        for label, role in self._state_roles().items():
            attrs[label] |= role
        return attrs

    def _state_roles(self) -> dict[str, dict[str, str]]:
        roles = _given(self.roles)
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


def _given(said: Mapping[str, str] | None) -> dict[str, str]:
    return {} if said is None else dict(said)  # a pandas.Series is neither true nor false


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
    input_time: Sequence[NDArray[np.float64]] | None = None,
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
    input_time : sequence of ndarray, each of shape (m_i,), optional
        The times of each trajectory's inputs, if they are not those of the states.
    """
    described = columns.attributes()
    coords: dict[str, Any] = {"trajectory": ("trajectory", labels)}
    dims, coords["time"] = _clock(time, "time", "obs", described[columns.time])
    input_dims = dims
    if input_time is not None and columns.inputs:
        about = {key: text for key, text in described[columns.time].items() if key == "units"} | {"long_name": "time of the inputs"}
        input_dims, coords["input_time"] = _clock(input_time, "input_time", "input_obs", about)
    variables: dict[str, Any] = {}
    for label in (*columns.states, *columns.inputs):
        name = variable_name(label)
        if name in variables:
            raise DataError(f"two columns would both be called {name!r} (a slash becomes an underscore); rename the column {label!r}.")
        where = input_dims if label in columns.inputs else dims
        variables[name] = (where, _padded(data[label], max(map(len, data[label]))), described[label])
    return xr.Dataset(variables, coords=coords, attrs=dict(attrs))


def _clock(time: Sequence[NDArray[np.float64]], shared: str, own: str, attrs: dict[str, Any]) -> tuple[tuple[str, str], Any]:
    """Dimensions of what is sampled at these times, and their coordinate: one for all trajectories if they share their times."""
    if all(np.array_equal(time[0], other) for other in time[1:]):
        return ("trajectory", shared), (shared, time[0], attrs)
    return ("trajectory", own), (("trajectory", own), _padded(time, max(map(len, time))), attrs)


def _padded(parts: Sequence[NDArray[np.float64]], length: int) -> NDArray[np.float64]:
    result = np.full((len(parts), length), np.nan)
    for row, part in zip(result, parts, strict=True):
        row[: len(part)] = part
    return result
