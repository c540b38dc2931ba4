"""One column of a table as numbers, with an error that names the row and its text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physode.errors import DataError

__all__ = ["is_date", "is_missing", "missing_column", "numbers"]

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "#n/a"})
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?!\d)")
_CLOCK = re.compile(r"\d+:\d\d")
_OTHER = (np.datetime64, np.timedelta64, np.complexfloating)
"""Cells that float() would take for numbers of another meaning: nanoseconds, or the real part."""


def is_missing(cell: object) -> bool:
    """Say whether a cell stands for a missing value: None, NaN, NA, or a text such as an empty one or ``'NA'``."""
    if isinstance(cell, str):
        return cell.strip().lower() in _MISSING
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, (float, np.floating)) and np.isnan(cell))


def is_date(text: str) -> bool:
    """Say whether a text begins with a date.

    Examples
    --------
    >>> is_date("2024-01-31T12:30"), is_date("31.01.2024"), is_date("1.5")
    (True, True, False)
    """
    return _DATE.match(text.strip()) is not None


def numbers(column: pd.Series, label: object, row: Callable[[int], str], *, required: bool = False) -> NDArray[np.float64]:
    """Turn a column into float64, NaN where a value is missing, which the message does not advise where each row needs one.

    Raises
    ------
    DataError
        Names the column and the first row that holds no finite number.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise DataError(
            f"the column {label!r} holds dates; give numbers, for example the seconds since the first row: "
            f"(table[{label!r}] - table[{label!r}].iloc[0]).dt.total_seconds()."
        )
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        raise DataError(f"the column {label!r} holds time spans; give numbers, for example table[{label!r}].dt.total_seconds().")
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        found = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        remedy = "or remove the row" if required else "leave it empty if the value is missing, or leave the column out"
        found = np.array([_number(cell, label, row(i), remedy) for i, cell in enumerate(column)], dtype=np.float64)
    infinite = np.flatnonzero(np.isinf(found))
    if infinite.size:
        remedy = "correct it" if required else "write a missing value as an empty cell"
        raise DataError(
            f"the column {label!r} has an infinite value, {float(found[infinite[0]])!r}, in {row(int(infinite[0]))} "
            f"({infinite.size} in all); {remedy}, or remove the row."
        )
    return found


def _number(cell: object, label: object, row: str, remedy: str) -> float:
    if is_missing(cell):
        return np.nan
    try:
        if isinstance(cell, _OTHER):
            raise TypeError
        return float(cell)  # type: ignore[arg-type]  # a cell that is no number ends in the error below
    except (TypeError, ValueError, OverflowError):
        text, hint = str(cell).strip(), ""
        if _DECIMAL_COMMA.fullmatch(text):
            hint = " Use a point, not a comma, before the decimals."
        elif is_date(text) or _CLOCK.match(text):
            hint = " Turn dates and clock times into numbers, for example the seconds since the first row."
        raise DataError(f"the column {label!r} must hold numbers, but {row} has {cell!r:.80}.{hint} Correct the cell, {remedy}.") from None


def missing_column(label: object, found: Iterable[object], use: str) -> DataError:
    """Make the error for a column that a table does not have: those that it has, and the closest one."""
    names: Sequence[str] = [str(name) for name in found]
    folded = {name.strip().lower(): name for name in reversed(names)}
    close = difflib.get_close_matches(str(label).strip().lower(), list(folded), n=1, cutoff=0.5)
    hint = f" Did you mean {folded[close[0]]!r}?" if close else ""
    return DataError(f"the table has no column {label!r} (asked for as {use}); it has {', '.join(map(repr, names)) or 'none'}.{hint}")
