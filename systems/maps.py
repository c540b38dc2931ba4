"""Maps to be learned as flows: x at time 0, y at time 1, in the same data contract.

They show what a flow in the plane of x cannot do (trajectories would have to cross) and what extra or second-order states can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import PhysodeError, unknown_name
from physode.systems.checks import whole_number
from physode.trajectories.provenance import provenance

__all__ = ["MAPS", "draw_map", "map_names"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Map:
    """A map: how x is drawn, how y follows, and where it comes from.

    Parameters
    ----------
    draw : callable
        ``draw(generator, n, dimensions)`` gives x of shape (n, dimensions) and y, of the same shape or one label for each.
    dimensions : int
        The default number of dimensions.
    fixed : bool
        Whether it exists in that number of dimensions only.
    meaning, reference, doi : str
        What it is and where it comes from.
    """

    draw: Callable[[np.random.Generator, int, int], tuple[Array, Array]]
    dimensions: int
    fixed: bool
    meaning: str
    reference: str
    doi: str


def _parity(generator: np.random.Generator, n: int, dimensions: int) -> tuple[Array, Array]:
    x = generator.uniform(-1, 1, size=(n, dimensions))
    return x, -x


def _shells(inner: float, gap: float) -> Callable[[np.random.Generator, int, int], tuple[Array, Array]]:
    """Draw points of a ball of radius `inner` (label -1) and of the shell from `gap` to 1 (label +1), uniform in volume."""

    def draw(generator: np.random.Generator, n: int, dimensions: int) -> tuple[Array, Array]:
        direction = generator.normal(size=(n, dimensions))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        volume = generator.uniform(size=n)
        label = np.where(generator.uniform(size=n) < 0.5, -1.0, 1.0)
        low = np.where(label < 0, 0.0, gap**dimensions)
        high = np.where(label < 0, inner**dimensions, 1.0)
        radius = (low + (high - low) * volume) ** (1 / dimensions)
        return radius[:, None] * direction, label

    return draw


def _annuli(generator: np.random.Generator, n: int, dimensions: int) -> tuple[Array, Array]:
    """Draw points of two rings, of radius 0.5 to 1 (label -1) and 1.5 to 2 (label +1), uniform in area."""
    label = np.where(generator.uniform(size=n) < 0.5, -1.0, 1.0)
    low, high = np.where(label < 0, 0.5, 1.5), np.where(label < 0, 1.0, 2.0)
    radius = np.sqrt(low**2 + (high**2 - low**2) * generator.uniform(size=n))
    angle = generator.uniform(0, 2 * np.pi, size=n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1), label


def _moons(generator: np.random.Generator, n: int, dimensions: int) -> tuple[Array, Array]:
    """Draw points of two half circles that reach into each other, upper (label -1) and lower (label +1)."""
    label = np.where(generator.uniform(size=n) < 0.5, -1.0, 1.0)
    angle = generator.uniform(0, np.pi, size=n)
    x = np.where(label < 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(label < 0, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([x, y], axis=-1), label


_DUPONT = ("E. Dupont, A. Doucet, Y. W. Teh: Augmented neural ODEs, NeurIPS (2019)", "10.48550/arXiv.1904.01681")
_NORCLIFFE = ("A. Norcliffe et al.: On second order behaviour in augmented neural ODEs, NeurIPS (2020)", "10.48550/arXiv.2006.07220")
_PEDREGOSA = ("F. Pedregosa et al.: Scikit-learn: machine learning in Python, JMLR 12, 2825-2830 (2011)", "10.48550/arXiv.1201.0490")

MAPS: dict[str, Map] = {
    "concentric-annuli": Map(_annuli, 2, True, "an inner ring to -1, an outer one to +1", *_DUPONT),
    "half-moons": Map(_moons, 2, True, "two half circles that reach into each other to -1 and +1", *_PEDREGOSA),
    "nested-spheres": Map(_shells(0.5, 0.85), 2, False, "a ball to -1, the shell around it to +1", *_NORCLIFFE),
    "parity": Map(_parity, 1, False, "x to -x: all trajectories cross", *_NORCLIFFE),
}


def map_names() -> list[str]:
    """Return the names of all maps.

    Examples
    --------
    >>> from physode import systems
    >>> systems.map_names()
    ['concentric-annuli', 'half-moons', 'nested-spheres', 'parity']
    """
    return sorted(MAPS)


def draw_map(name: str, n: int, *, dimensions: int | None = None, noise: float = 0.0, seed: int = 0) -> xr.Dataset:
    """Draw pairs (x, y) of a map as a record with two times.

    Parameters
    ----------
    name : str
        One of :func:`map_names`: ``"parity"`` (x to -x), ``"nested-spheres"``, ``"concentric-annuli"``, ``"half-moons"``.
    n : int
        How many pairs.
    dimensions : int, optional
        Dimensions of x, where the map exists in any number of them.
    noise : float, default 0
        Standard deviation of normal noise on x (as in half-moons); the y of the noise-free x is kept.
    seed : int, default 0
        The same seed gives the same pairs.

    Returns
    -------
    xarray.Dataset
        A record of schema ``physode/1`` with the times 0 and 1 and the states ``x1``, ``x2``, ... For parity they hold x and then -x.
        The others map to a label: their coordinates are missing at time 1, and the state ``label`` is missing at time 0 and
        -1 or +1 at time 1.

    Raises
    ------
    UnknownNameError
        If there is no such map.
    PhysodeError
        If `n` or `dimensions` is no positive whole number, or the map has a fixed number of dimensions.

    Examples
    --------
    >>> from physode import systems
    >>> pairs = systems.draw_map("parity", 50, dimensions=2, seed=0)
    >>> bool((pairs.x1.sel(time=1) == -pairs.x1.sel(time=0)).all())
    True
    """
    if name not in MAPS:
        raise unknown_name("map", name, MAPS)
    chosen = MAPS[name]
    n = whole_number(f"{name}: n", n, 1)
    size = whole_number(f"{name}: dimensions", chosen.dimensions if dimensions is None else dimensions, 1)
    if chosen.fixed and size != chosen.dimensions:
        raise PhysodeError(
            f"{name} exists in {chosen.dimensions} dimensions only, found {size}; nested-spheres and parity exist in any number."
        )
    if not 0 <= noise < np.inf:
        raise PhysodeError(f"{name}: noise must be a standard deviation of 0 or more, found {noise!r}.")
    x, y = chosen.draw(np.random.default_rng([seed, 0]), n, size)
    if noise:
        x = x + np.random.default_rng([seed, 1]).normal(0, noise, size=x.shape)
    columns = _columns(x, y)
    dims = ("trajectory", "time")
    variables: dict[str, Any] = {
        key: (dims, values, {"units": "1", "long_name": long_name, "role": "state"}) for key, (values, long_name) in columns.items()
    }
    coords = {
        "trajectory": ("trajectory", np.arange(n), {"long_name": "trajectory"}),
        "time": ("time", np.array([0.0, 1.0]), {"units": "1", "long_name": "time"}),
    }
    facts: dict[str, Any] = {
        "map": name,
        "meaning": chosen.meaning,
        "noise": noise,
        "seed": seed,
        "reference": chosen.reference,
        "doi": chosen.doi,
    }
    return xr.Dataset(variables, coords, provenance(f"draw {name}", before=None, **facts))


def _columns(x: Array, y: Array) -> Mapping[str, tuple[Array, str]]:
    names = [f"x{i + 1}" for i in range(x.shape[1])]
    if y.ndim == 2:
        return {name: (np.stack([a, b], axis=-1), f"coordinate {name[1:]}") for name, a, b in zip(names, x.T, y.T, strict=True)}
    missing = np.full(len(y), np.nan)
    columns = {name: (np.stack([a, missing], axis=-1), f"coordinate {name[1:]}") for name, a in zip(names, x.T, strict=True)}
    return columns | {"label": (np.stack([missing, y], axis=-1), "label")}
