"""Which attributes a record may carry, so that a netCDF file gives back what was put in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from physode.errors import DataError

__all__ = ["check_attributes", "plain_attributes"]

_SHORT_UNITS = {
    "days": "d",
    "hours": "h",
    "minutes": "min",
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
    "nanoseconds": "ns",
}
# xarray or HDF5 give these a meaning of their own, so that they are not attributes after a round trip.
_ENCODING_NAMES = frozenset(
    {
        "_FillValue",
        "_Unsigned",
        "_Encoding",
        "_Netcdf4Coordinates",
        "_Netcdf4Dimid",
        "_NCProperties",
        "_nc3_strict",
        "add_offset",
        "CLASS",
        "coordinates",
        "DIMENSION_LIST",
        "dtype",
        "missing_value",
        "NAME",
        "REFERENCE_LIST",
        "scale_factor",
    }
)


def check_attributes(attrs: Mapping[Any, Any], where: str) -> None:
    """Raise DataError unless every attribute is a str, an int, a float or a 1-D list of one of these.

    Parameters
    ----------
    attrs : mapping
        The attributes of a variable or of a whole record.
    where : str
        What they belong to, for the message: ``"variable 'x'"``.

    Examples
    --------
    >>> check_attributes({"units": "m", "limits": [0.0, 1.0]}, "variable 'x'")
    """
    for name, value in attrs.items():
        if not isinstance(name, str) or not name or "\0" in name or name in _ENCODING_NAMES:
            raise DataError(f"{where} has the attribute {name!r}, a name that netCDF keeps for itself; rename or remove the attribute.")
        fault = _fault(value)
        if fault:
            raise DataError(
                f"{where} has the attribute {name!r} with {fault}; a netCDF file holds text, int, float or a list of one of these. "
                "Write a bool as 0 or 1, leave None out, and write nested settings as one JSON text."
            )
    _check_units(attrs.get("units"), where)


def _fault(value: Any) -> str:
    if isinstance(value, str):
        return _text_fault(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        items = list(value)
        if np.ndim(value) != 1 if isinstance(value, np.ndarray) else any(isinstance(i, (list, tuple, np.ndarray)) for i in items):
            return f"a nested list, {value!r:.60}"
        if len(items) < 2:
            return f"the list {items!r}, which comes back as no list (write the element itself, or leave it out)"
        if len({isinstance(i, str) for i in items}) != 1:
            return f"a list that mixes text and numbers, {items!r:.60}"
        return next(filter(None, map(_fault, items)), "")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return f"the {type(value).__name__} {value!s:.60}"
    if isinstance(value, (int, np.integer)) and not -(2**63) <= int(value) < 2**63:
        return f"the number {value}, which is too large for 64 bits"
    return ""


def _text_fault(text: str) -> str:
    if "\0" in text:
        return "a text that contains the character NUL"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "a text that is not valid Unicode"
    return ""


def _check_units(units: Any, where: str) -> None:
    if units is None:
        return
    if not isinstance(units, str):
        raise DataError(f"{where} has the units {units!r}; units are text, for example 'm s-1', and '1' for a plain number.")
    if units in _SHORT_UNITS:
        raise DataError(f"{where} has the units {units!r}, which xarray decodes to a time span; write {_SHORT_UNITS[units]!r}.")
    if " since " in units:
        raise DataError(
            f"{where} has the units {units!r}, which xarray decodes to dates; "
            "give numbers from a zero of your own and units such as 's' or 'year'."
        )


def plain_attributes(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Turn the numpy values that a netCDF file gives back into str, int, float and lists.

    Examples
    --------
    >>> plain_attributes({"seed": np.int64(3), "limits": np.array([0.5, 1.0])})
    {'seed': 3, 'limits': [0.5, 1.0]}
    """
    return {str(name): _plain(value) for name, value in attrs.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    if isinstance(value, np.generic):
        return value.item()
    if type(value).__module__.partition(".")[0] == "h5py":  # h5py.Empty stands for an empty text
        return ""
    return value
