"""One analysis for many: an ensemble, several models, or all that a comparison fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar, runtime_checkable

import numpy as np
import xarray as xr

from physode.analysis.side_by_side import side_by_side
from physode.errors import PhysodeError
from physode.trajectories.names import check_free

__all__ = ["Collection", "each"]

One = TypeVar("One")
P = ParamSpec("P")
Key = str | int | tuple[str, int]
_FIELDS: Final = ("dynamics", "model")  # what arguments of these names must be
_NO_MODEL, _NO_SEED = "", -1  # for keys that leave one out


@runtime_checkable
class Collection(Protocol):
    """Something that holds fitted models by name or by seed, such as `physode.Ensemble`."""

    @property
    def members(self) -> Mapping[Any, Any]:
        """The models by name, by seed, or by (name, seed)."""
        ...


def each(
    function: Callable[Concatenate[One, P], xr.Dataset],
) -> Callable[Concatenate[One | Mapping[Any, One] | Collection, P], xr.Dataset]:
    """Let an analysis of one dynamics take many.

    Parameters
    ----------
    function : callable
        Takes a system or a fitted model first, and returns a Dataset.

    Returns
    -------
    callable
        The same function, which also takes a mapping from names (str), seeds (int) or both (str, int) to systems and models, or
        something that holds one as ``members``. It then analyses one after the other and lays the results side by side, with the
        leading dimensions ``model`` and ``seed``; an attribute that differs becomes a variable, so that no warning is lost.

    Examples
    --------
    >>> from physode import systems
    >>> from physode.analysis import fixed_points
    >>> both = {name: systems.get(name) for name in ("pendulum", "damped-pendulum")}
    >>> found = fixed_points(both, reach=0.0)
    >>> dict(found.sizes)["model"], found.model.values.tolist()
    (2, ['pendulum', 'damped-pendulum'])
    """
    name = next(iter(signature(function).parameters))

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> xr.Dataset:
        if not args and name not in kwargs:
            return function(*args, **kwargs)  # Python says what is missing
        dynamics, others = (args[0], args[1:]) if args else (kwargs.pop(name), ())
        members: Any = dynamics.members if isinstance(dynamics, Collection) else dynamics
        many = isinstance(members, Mapping) and not isinstance(members, xr.Dataset)  # a Dataset is a Mapping, but one prediction
        if not many:
            _check(members, function.__name__, name)
            return function(members, *others, **kwargs)
        if not members:
            raise PhysodeError("there is no model to analyse: the mapping is empty.")
        for member in members.values():
            _check(member, function.__name__, name)
        return _beside({_key(key): function(member, *others, **kwargs) for key, member in members.items()})

    return wrapper


def _check(one: object, function: str, argument: str) -> None:
    """See that what should be a vector field is one, before something in the depth finds out."""
    if argument in _FIELDS and not (hasattr(one, "rhs") or hasattr(one, "predict")):
        what = f"the text {one!r}" if isinstance(one, str) else f"a {type(one).__name__}"
        raise PhysodeError(f"{function} takes a System, a fitted model, or several of them by name; found {what}.")


def _key(key: Key) -> tuple[str, int]:
    if isinstance(key, tuple):
        return str(key[0]), int(key[1])
    return (key, _NO_SEED) if isinstance(key, str) else (_NO_MODEL, int(key))


def _beside(found: Mapping[tuple[str, int], xr.Dataset]) -> xr.Dataset:
    first = next(iter(found.values()))
    names = dict.fromkeys(name for part in found.values() for name in part.attrs)
    common = {name for name in names if all(name in part.attrs and _same(part.attrs[name], first.attrs[name]) for part in found.values())}
    for part in found.values():
        check_free(map(str, part.variables), (str(name) for name in names if name not in common))
    told = {
        key: part.assign({name: ((), value) for name, value in part.attrs.items() if name not in common and _scalar(value)})
        for key, part in found.items()
    }
    models, seeds = list(dict.fromkeys(model for model, _ in found)), list(dict.fromkeys(seed for _, seed in found))
    result = side_by_side(told, models, seeds).assign_attrs({name: first.attrs[name] for name in names if name in common})
    unused = {dim: 0 for dim, labels, alone in (("model", models, _NO_MODEL), ("seed", seeds, _NO_SEED)) if list(labels) == [alone]}
    return result.isel(unused, drop=True)


def _same(one: object, other: object) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


def _scalar(value: object) -> bool:
    return isinstance(value, str | int | float | np.number)
