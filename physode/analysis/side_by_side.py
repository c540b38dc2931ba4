"""Lays the results of many cells side by side: one array per variable, over model and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

__all__ = ["side_by_side"]

Key = tuple[str, int]


def side_by_side(parts: Mapping[Key, xr.Dataset], models: Sequence[str], seeds: Sequence[int]) -> xr.Dataset:
    """Put one dataset per model and seed into one, with the leading dimensions ``model`` and ``seed``.

    Models have different states, fits different lengths, and some cells nothing at all: what is missing is NaN (numbers) or an
    empty text. Coordinates are kept exactly; where they differ between cells the union is taken, in order of appearance. What describes a
    dimension without being its labels stays a coordinate if no two cells contradict each other, and becomes a variable if they do.

    Parameters
    ----------
    parts : mapping of (model, seed) to Dataset
        Cells that failed are absent. A variable has the same dimensions wherever it occurs.
    models, seeds : sequences
        The labels, in the order wanted.

    Returns
    -------
    xarray.Dataset
        Integers become float64, because they can be missing.

    Examples
    --------
    >>> parts = {("a", 0): xr.Dataset({"x": ("time", [1.0, 2.0])}, {"time": [0.0, 0.5]})}
    >>> side_by_side(parts, ["a", "b"], [0])["x"].values
    array([[[ 1.,  2.]],
    <BLANKLINE>
           [[nan, nan]]])
    """
    coords: dict[str, tuple[str, pd.Index, dict[str, object]]] = {}
    described: dict[str, dict[Key, xr.DataArray]] = {}
    sizes: dict[str, int] = {}
    for key, part in parts.items():
        for dim, size in part.sizes.items():
            name = str(dim)
            if name in part.indexes:
                known = coords[name][1] if name in coords else part.indexes[name]
                union = known.append(part.indexes[name]).unique()
                coords[name] = (name, union, dict(part[name].attrs))
                size = len(union)
            sizes[name] = max(size, sizes.get(name, 0))
        for coord in part.coords:
            if coord not in part.indexes:
                described.setdefault(str(coord), {})[key] = part[coord]
    out = xr.Dataset(coords={"model": list(models), "seed": np.asarray(seeds, dtype=np.int64)})
    out = out.assign_coords({name: (dim, np.asarray(index), attrs) for name, (dim, index, attrs) in coords.items()})
    shared = {name: common for name, cells in described.items() if (common := _common(cells, coords, sizes)) is not None}
    held = {name: cells for name, cells in described.items() if name not in shared}
    for name in dict.fromkeys(str(name) for part in parts.values() for name in part.data_vars):
        held[name] = {key: part[name] for key, part in parts.items() if name in part.data_vars}
    for name, holders in held.items():
        first = next(iter(holders.values()))
        dims = tuple(str(dim) for dim in first.dims)
        text = first.dtype.kind in "OUST"
        shape = (len(models), len(seeds), *(sizes[dim] for dim in dims))
        block = np.full(shape, "" if text else np.nan, dtype=object if text else np.float64)
        for (model, seed), variable in holders.items():
            places = [_places(variable, dim, coords) for dim in dims]
            cell = block[models.index(model), seeds.index(seed), ...]
            cell[np.ix_(*places) if places else ...] = variable.values
        out[name] = (("model", "seed", *dims), block.astype(str) if text else block, dict(first.attrs))
    return out.assign_coords(shared)


def _common(
    cells: Mapping[Key, xr.DataArray], coords: Mapping[str, tuple[str, pd.Index, dict[str, object]]], sizes: Mapping[str, int]
) -> xr.Variable | None:
    """Join a coordinate that says the same in all cells, such as the units of states; None where cells contradict each other."""
    first = next(iter(cells.values()))
    dims = tuple(str(dim) for dim in first.dims)
    joined = np.empty(tuple(sizes[dim] for dim in dims), dtype=object)
    known = np.zeros(joined.shape, dtype=bool)
    for cell in cells.values():
        places = np.ix_(*(_places(cell, dim, coords) for dim in dims)) if dims else ()
        values, before = cell.values.astype(object), np.asarray(known[places])
        pairs = zip(np.asarray(joined[places])[before], values[before], strict=True)
        if any(old != new and (old == old or new == new) for old, new in pairs):
            return None
        joined[places], known[places] = values, True
    gap = ~known
    if gap.any():
        joined[gap] = "" if first.dtype.kind in "OUST" else np.nan
    kind = np.result_type(*(cell.dtype for cell in cells.values())) if first.dtype.kind not in "OUST" else np.dtype(str)
    return xr.Variable(dims, joined.astype(np.float64 if gap.any() and kind.kind in "iu" else kind), dict(first.attrs))


def _places(variable: xr.DataArray, dim: str, coords: Mapping[str, tuple[str, pd.Index, dict[str, object]]]) -> NDArray[np.intp]:
    if dim not in coords:
        return np.arange(variable.sizes[dim])
    return coords[dim][1].get_indexer(variable.indexes[dim])
