"""Between records and tidy tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physode.errors import DataError
from physode.trajectories.build import Columns, assemble, listed, trajectory_labels
from physode.trajectories.clocks import input_times, own_clock_names, rows_of, spread, union_times
from physode.trajectories.columns import is_missing, missing_column, numbers
from physode.trajectories.contract import sample_names, time_dim, times
from physode.trajectories.increasing import check_increasing
from physode.trajectories.provenance import provenance
from physode.trajectories.validation import validate

__all__ = ["from_dataframe", "from_table", "to_dataframe"]


def from_dataframe(
    df: pd.DataFrame,
    *,
    time: str,
    states: Sequence[str],
    trajectory: str | None = None,
    inputs: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None,
    interpolation: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Make a record from a table with one row per trajectory and time.

    Parameters
    ----------
    df : pandas.DataFrame
        The table. An empty cell, NaN, NA or None is a missing value.
    time : str
        The column of times: finite numbers, strictly increasing along each trajectory.
    states : sequence of str
        The columns of measured states.
    trajectory : str, optional
        The column that says to which trajectory a row belongs. Without it, the table is one trajectory, labelled 0.
    inputs : sequence of str, optional
        The columns of inputs u(t), known at every time.
    units : mapping from column to str, optional
        Units of the time, states and inputs, such as ``"m s-1"``; ``"s"``, not ``"seconds"``.
    roles : mapping from state to str, optional
        ``"position"``, ``"velocity of x"``, ``"momentum of theta"`` or ``"state"`` (the default). Where there is exactly one
        position, ``"velocity"`` and ``"momentum"`` are enough.
    interpolation : mapping from input to {"linear", "previous"}, optional
        What an input is between its samples: linear (the default), or held from the previous one. A row may hold an input and no
        state, and, if its interpolation is said, a state and no input.

    Returns
    -------
    xarray.Dataset
        Dimensions ``(trajectory, time)`` if all trajectories have the same times, else ``(trajectory, obs)`` with the coordinate
        ``time(trajectory, obs)``; values and times are float64. A slash in a column's name becomes an underscore; the
        variable's ``long_name`` keeps the name as it was.

    Raises
    ------
    DataError
        If a column is missing or twice there, holds text, dates or an infinite value, if times do not increase, or if
        the record is not one that could be fitted (see `validate`). The message names the column, the row and the fix.

    See Also
    --------
    read_csv, from_numpy, to_dataframe

    Examples
    --------
    >>> import pandas as pd, physode.trajectories as trajectories
    >>> table = pd.DataFrame({"run": ["a", "a", "b", "b"], "t": [0.0, 1.0, 0.0, 1.0], "x": [1.0, 2.0, 3.0, None]})
    >>> table = pd.concat([table, pd.DataFrame({"run": ["b"], "t": [2.0], "x": [5.0]})])
    >>> ds = trajectories.from_dataframe(table, time="t", states=["x"], trajectory="run", units={"x": "m", "t": "s"})
    >>> dict(ds.sizes)
    {'trajectory': 2, 'obs': 3}
    >>> ds["x"].values
    array([[ 1.,  2., nan],
           [ 3., nan,  5.]])
    """
    if not isinstance(df, pd.DataFrame):
        raise DataError(f"a table is a pandas.DataFrame, but this is a {type(df).__name__}; for arrays use from_numpy, for files read_csv.")
    plain = isinstance(df.index, pd.RangeIndex)
    index = df.index

    def row(i: int) -> str:
        return f"row {i + 1}" if plain else f"row {i + 1} (index {index[i]!r})"

    columns = Columns(time, listed("states", states), listed("inputs", inputs), units, roles, interpolation)
    return from_table(df, columns, trajectory, row=row, attrs=provenance("from_dataframe"))


def from_table(
    df: pd.DataFrame, columns: Columns, trajectory: str | None, *, row: Callable[[int], str], attrs: Mapping[str, Any]
) -> xr.Dataset:
    """Make a record from a table whose rows are named by `row` in messages; see `from_dataframe`."""
    _check_labels(df, columns, trajectory)
    if df.empty:
        raise DataError("the table has no rows; give at least two rows for each trajectory.")
    time = numbers(df[columns.time], columns.time, row, required=True)
    data = {label: numbers(df[label], label, row) for label in (*columns.states, *columns.inputs)}
    groups = _groups(df, trajectory, row)
    labels = trajectory_labels(list(groups))
    hint = "" if trajectory else " If the table holds several trajectories, name the column that tells them apart as trajectory."
    for label, rows in zip(labels.tolist(), groups.values(), strict=True):
        check_increasing(time[rows], label, lambda i, rows=rows: row(int(rows[i])), hint=hint)  # type: ignore[misc]
    parts = {label: [found[rows] for rows in groups.values()] for label, found in data.items()}
    return validate(assemble(columns, labels, [time[rows] for rows in groups.values()], parts, attrs))


def _check_labels(df: pd.DataFrame, columns: Columns, trajectory: str | None) -> None:
    uses = [("states", columns.states), ("inputs", columns.inputs)]
    if not columns.states:
        raise DataError(f"no states were named; the table has the columns {', '.join(repr(str(c)) for c in df.columns)}.")
    asked = [("time", columns.time), *((use, label) for use, labels in uses for label in labels)]
    if trajectory is not None:
        asked.insert(1, ("trajectory", trajectory))
    seen: dict[object, str] = {}
    for use, label in asked:
        if label not in df.columns:
            raise missing_column(label, df.columns, use)
        if int((df.columns == label).sum()) > 1:
            raise DataError(f"the table has the column {label!r} {int((df.columns == label).sum())} times; rename or remove all but one.")
        if label in seen:
            raise DataError(f"the column {label!r} is asked for as {seen[label]} and again as {use}; each column has one use.")
        seen[label] = use


def _groups(df: pd.DataFrame, trajectory: str | None, row: Callable[[int], str]) -> dict[Any, NDArray[np.intp]]:
    """Give the rows of each trajectory, in the order in which trajectories and rows appear."""
    if trajectory is None:
        return {0: np.arange(len(df))}
    for i, cell in enumerate(df[trajectory]):
        if is_missing(cell):
            raise DataError(f"the column {trajectory!r} must say to which trajectory each row belongs, but it is empty in {row(i)}.")
    codes, labels = pd.factorize(df[trajectory])
    order = np.argsort(codes, kind="stable")
    return dict(zip(labels, np.split(order, np.cumsum(np.bincount(codes))[:-1]), strict=True))


def to_dataframe(ds: xr.Dataset) -> pd.DataFrame:
    """Turn a record into a tidy table: one row per trajectory and time.

    Parameters
    ----------
    ds : xarray.Dataset
        A record, or a prediction on its coordinates.

    Returns
    -------
    pandas.DataFrame
        Columns ``trajectory``, ``time``, one for each variable that has a value at each time (states, inputs, truth), and
        ``split`` if the record is split. Padding is left out; missing values are NaN. Samples of inputs on a clock of their own have
        rows of their own, where nothing else was sampled there. Numbers of the whole record (parameters, noise) stay in the record.
        What several models or seeds predicted has rows for each of them, and a column in front that says whose they are.

    See Also
    --------
    from_dataframe

    Examples
    --------
    >>> import physode.trajectories as trajectories
    >>> trajectories.to_dataframe(trajectories.from_numpy([0.0, 1.0], [2.0, 4.0], ["x"]))
       trajectory  time    x
    0           0   0.0  2.0
    1           0   1.0  4.0
    """
    place = {"trajectory", time_dim(ds)}
    further = [str(dim) for variable in ds.data_vars.values() if place < set(variable.dims) for dim in variable.dims if dim not in place]
    if further:
        of, labels = further[0], ds[further[0]].values.tolist()
        tables = [to_dataframe(ds.isel({of: k}, drop=True)) for k in range(len(labels))]
        return pd.concat(tables, keys=labels, names=[of]).reset_index(of).reset_index(drop=True)
    seen, own = times(ds), own_clock_names(ds)
    clock = input_times(ds) if own else seen[:, :0]
    time = union_times(seen, clock)
    kept = ~np.isnan(time)
    columns: dict[str, Any] = {"trajectory": np.repeat(ds["trajectory"].values, kept.sum(axis=1)), "time": time[kept]}

    def column(found: xr.DataArray, at: NDArray[np.float64], blank: float | str) -> NDArray[Any]:
        return spread(found.transpose("trajectory", ...).to_numpy(), rows_of(at, time), at, time.shape, blank)[kept]

    for name in [str(name) for name in ds.data_vars if name in {*sample_names(ds), *own}]:
        columns[name] = column(ds[name], clock if name in own else seen, np.nan)
    if "split" in ds.coords:
        columns["split"] = column(ds["split"].broadcast_like(ds["time"]).broadcast_like(ds["trajectory"]), seen, "")
    return pd.DataFrame(columns)
