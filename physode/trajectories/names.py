"""Which names a variable may have, and the name that a column's label gets."""

from __future__ import annotations

from collections.abc import Iterable

from physode.errors import DataError
from physode.trajectories.contract import RESERVED_NAMES

__all__ = ["check_free", "check_name", "variable_name"]

_HIDDEN_PREFIX = "_nc4_non_coord_"


def _is_control(character: str) -> bool:
    return not character.isprintable()


def variable_name(label: object) -> str:
    """Turn the label of a column into the name of a variable.

    A netCDF file cannot hold a name with a slash or a control character, so each of them becomes an underscore; blanks at the
    ends are dropped. Everything else stays: ``'cost $'`` and ``'<script>'`` are names like any other. The label itself is
    kept in the variable's ``long_name``.

    Raises
    ------
    DataError
        If nothing is left, or if the name is one of the contract's own (``time``, ``trajectory``, ...).

    Examples
    --------
    >>> variable_name(" speed (m/s)")
    'speed (m_s)'
    """
    name = "".join("_" if c == "/" or _is_control(c) else c for c in str(label).strip()).strip()
    check_name(name, label=label)
    return name


def check_name(name: object, *, label: object = None) -> None:
    """Raise DataError if a variable may not have this name.

    Examples
    --------
    >>> check_name("x")
    """
    shown = repr(name if label is None else label)
    if not isinstance(name, str):
        raise DataError(f"the variable name {shown} is a {type(name).__name__}; names are text, so rename it to {str(name)!r}.")
    if name in RESERVED_NAMES:
        raise DataError(
            f"a variable is called {shown}, which the data contract keeps for itself; rename it, for example to {name + '_value'!r}. "
            f"Reserved names: {', '.join(sorted(RESERVED_NAMES))}."
        )
    faults = {
        "it is empty": not name.strip(),
        "it begins or ends with a blank": name != name.strip(),
        "it contains '/'": "/" in name,
        "it contains a control character": any(_is_control(c) for c in name),
        "it is only dots": bool(name) and not name.strip("."),
        f"it begins with {_HIDDEN_PREFIX!r}": name.startswith(_HIDDEN_PREFIX),
        "it is longer than 200 bytes": len(name.encode("utf-8", "replace")) > 200,
    }
    for fault, present in faults.items():
        if present:
            raise DataError(f"the variable name {shown[:80]} cannot be kept in a netCDF file: {fault}. Rename the variable or the column.")


def check_free(states: Iterable[str], held: Iterable[str]) -> None:
    """Raise DataError if a state has the name of something else that a result holds beside the states.

    Examples
    --------
    >>> check_free(["x", "gap"], ["period", "gap"])
    Traceback (most recent call last):
    physode.errors.DataError: the state 'gap' has the name of something else that the result holds; rename it in the record or the system.
    """
    taken = set(held)
    for name in states:
        if name in taken:
            raise DataError(
                f"the state {name!r} has the name of something else that the result holds; rename it in the record or the system."
            )
