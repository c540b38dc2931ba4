"""Records from CSV files."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from physode.errors import DataError, FileFormatError, UnknownNameError
from physode.trajectories.build import Columns, listed
from physode.trajectories.columns import is_date, is_missing, missing_column
from physode.trajectories.noise import NOISE_SUFFIX
from physode.trajectories.provenance import provenance
from physode.trajectories.tables import from_table
from physode.trajectories.truth import TRUE_SUFFIX

__all__ = ["read_csv", "read_table"]

_TIME_NAMES = ("t", "time", "year")
_BEGINS_WITH_NUMBER = re.compile(r"\W*\d")


def read_csv(
    path: str | os.PathLike[str],
    *,
    time: str | None = None,
    states: Sequence[str] | None = None,
    trajectory: str | None = None,
    inputs: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None,
    interpolation: Mapping[str, str] | None = None,
) -> xr.Dataset:
    r"""Read a record from a CSV file: commas, one line of column names, a point before the decimals, UTF-8.

    Parameters
    ----------
    path : path
        The file. Blank lines are skipped; an empty cell, ``NA`` or ``nan`` is a missing value.
    time : str, optional
        The column of times. By default the one called ``t``, ``time`` or ``year``, in capitals or not.
    states : sequence of str, optional
        The columns of measured states. By default all columns that are not used otherwise, but no labels and no dates, neither the noise
        ``x_noise_std`` of another column ``x``, nor, where a truth ``x_true`` stands beside a measured ``x``, any truth. A column of which
        any cell is a number, or most cells begin with one, such as ``30 deg`` or ``3b``, is taken for measured, and told if it is not.
    trajectory : str, optional
        The column that says to which trajectory a row belongs. Without it, the file is one trajectory.
    inputs : sequence of str, optional
        The columns of inputs u(t), known at every time unless `interpolation` says what they are in between.
    units : mapping from column to str, optional
        Units of the time, states and inputs; ``"s"``, not ``"seconds"``.
    roles : mapping from state to str, optional
        As in `from_dataframe`.
    interpolation : mapping from input to {"linear", "previous"}, optional
        As in `from_dataframe`.

    Returns
    -------
    xarray.Dataset
        As from `from_dataframe`.

    Raises
    ------
    FileFormatError
        If there is no such file, or if it is not a CSV file of that kind.
    DataError
        If its contents break the data contract; the message names the column and the line of the file.

    See Also
    --------
    from_dataframe, read

    Examples
    --------
    >>> import pathlib, tempfile, physode.trajectories as trajectories
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.csv"
    >>> _ = path.write_text("t,x\n0,1.5\n1,2.5\n2,\n")
    >>> trajectories.read_csv(path, units={"x": "m"})["x"].values
    array([[1.5, 2.5, nan]])
    """
    table = read_table(path)
    attrs = provenance(f"read_csv {Path(path).name}", source=Path(path).name)
    try:
        time = _time_column(table) if time is None else time
        inputs = listed("inputs", inputs)
        states = _free_number_columns(table, {time, trajectory, *inputs}) if states is None else listed("states", states)
        columns = Columns(time, states, inputs, units, roles, interpolation)
        return from_table(table, columns, trajectory, row=lambda i: f"line {table.index[i]}", attrs=attrs)
    except (DataError, UnknownNameError) as error:
        raise type(error)(f"{path}: {error}") from error


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV file as text cells, with the line of the file as index."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise FileFormatError(f"there is no file {path}; look at its name and the current folder ({Path.cwd()}).") from error
    except IsADirectoryError as error:
        raise FileFormatError(f"{path} is a folder; give a CSV file.") from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not a text file in UTF-8 (byte {error.start}); save it as CSV in UTF-8.") from error
    if not text.strip():
        raise FileFormatError(f"{path} is empty; give a line of column names and at least two rows.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[int] = []
    rows: list[list[str]] = []
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append(start)
                rows.append(cells)
            start = reader.line_num + 1
    except csv.Error as error:
        raise FileFormatError(
            f"{path} cannot be read as CSV, line {start}: {error}. Look for a quotation mark that is not closed."
        ) from error
    if not rows:
        raise FileFormatError(f"{path} has no cell with anything in it; give a line of column names and at least two rows.")
    header = _header(rows[0], rows, path)
    if len(rows) == 1:
        raise DataError(f"{path}: the table has no rows, only the column names {_listed(header)}; give at least two rows.")
    for line, cells in zip(lines[1:], rows[1:], strict=True):
        if len(cells) < len(header) or any(cell.strip() for cell in cells[len(header) :]):
            raise FileFormatError(
                f"{path}: line {line} has {len(cells)} cells, but the line of column names has {len(header)}; "
                "the file may be cut off, or a comma may stand inside a number. Correct the line."
            )
    body = [cells[: len(header)] for cells in rows[1:]]
    return pd.DataFrame(np.array(body, dtype=object), columns=pd.Index(header, dtype=object), index=lines[1:])


def _header(cells: list[str], rows: list[list[str]], path: object) -> list[str]:
    header = [cell.strip() for cell in cells]
    while len(header) > 1 and not header[-1] and not any(cell.strip() for row in rows for cell in row[len(header) - 1 :]):
        header.pop()  # a comma at the end of every line
    if len(header) == 1:
        for separator, name in ((";", "semicolons"), ("\t", "tabs")):
            if separator in header[0]:
                decimal = ", decimal=','" if any(len(row) > 1 for row in rows[1:]) else ""
                raise FileFormatError(
                    f"{path} seems to be separated by {name}: its only column would be {header[0]!r:.80}. "
                    f"Read it with pandas.read_csv({str(path)!r}, sep={separator!r}{decimal}) and pass the table to physode.from_dataframe."
                )
    if all(_is_number(cell) for cell in header):
        raise FileFormatError(
            f"{path} has no line of column names: it begins with {', '.join(header)!r:.80}. The first line gives the names, such as 't,x'."
        )
    for number, label in enumerate(header, start=1):
        if not label:
            raise FileFormatError(f"{path}: column {number} has no name; the names are {_listed(header)}. Give it one.")
        if header.count(label) > 1:
            raise DataError(f"{path}: the column {label!r} is there {header.count(label)} times; rename or remove all but one.")
    return header


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(map(repr, labels))


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True


def _is_measured(cells: list[str]) -> bool:
    """Say whether a column was meant as numbers: what is none in it is an error to be told, but labels and dates are no states."""
    meant = [bool(_BEGINS_WITH_NUMBER.match(cell) and not is_date(cell)) for cell in cells]
    return any(map(_is_number, cells)) or 2 * sum(meant) > len(meant)


def _time_column(table: pd.DataFrame) -> str:
    found = [str(label) for label in table.columns if str(label).lower() in _TIME_NAMES]
    if len(found) != 1:
        which = f"several columns that may be the time, {_listed(found)}" if found else f"no column called {', '.join(_TIME_NAMES)}"
        raise DataError(f"the file has {which}; say which one is the time. Its columns: {_listed(table.columns)}.")
    return found[0]


def _free_number_columns(table: pd.DataFrame, used: set[str | None]) -> list[str]:
    for label in used - {None}:
        if label not in table.columns:
            raise missing_column(label, table.columns, "time, trajectory or input")
    labels = [str(label) for label in table.columns]
    beside = [
        label for label in labels for suffix in (TRUE_SUFFIX, NOISE_SUFFIX) if label.endswith(suffix) and label[: -len(suffix)] in labels
    ]
    simulated = any(label.endswith(TRUE_SUFFIX) for label in beside)  # then a state that was not observed is there as well
    states = []
    for label in labels:
        if label in used or label in beside or (simulated and label.endswith(TRUE_SUFFIX)):
            continue
        if _is_measured([str(cell) for cell in table[label] if not is_missing(cell)]):
            states.append(label)
    if "trajectory" in states:
        raise DataError(
            "the file has a column 'trajectory'; if it says to which trajectory a row belongs, name it as that "
            "(trajectory='trajectory', on the command line --trajectory trajectory); if not, name the states, or rename it."
        )
    if not states:
        raise DataError(f"the file has no column of numbers left to be a state; its columns: {_listed(table.columns)}.")
    return states
