"""Which part of a record trains a model and which part tests it."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import DataError, unknown_name
from physode.trajectories.clocks import input_values, trim_inputs
from physode.trajectories.contract import check_not_empty, input_names, sample_names, time_dim, times
from physode.trajectories.provenance import provenance

__all__ = ["select_split", "split"]


def split(ds: xr.Dataset, test: float = 0.2, by: str = "trajectory", seed: int = 0) -> xr.Dataset:
    """Mark a part of a record as test data.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.
    test : float, default 0.2
        The fraction that tests, between 0 and 1. Each part gets at least one trajectory, or two times.
    by : {"trajectory", "time"}, default "trajectory"
        ``"trajectory"``: whole trajectories, drawn at random; ``"time"``: the last part of each trajectory.
    seed : int, default 0
        Which trajectories are drawn; the split by time is not random.

    Returns
    -------
    xarray.Dataset
        The record with a coordinate ``split`` of "train" and "test": ``split(trajectory)``, or ``split(time)``
        (``split(trajectory, obs)`` in an irregular record, with an empty text in the padding).

    Raises
    ------
    DataError
        If the record is empty or too short to be split, or if `test` is no fraction.

    See Also
    --------
    select_split

    Examples
    --------
    >>> import numpy as np, physode.trajectories as trajectories
    >>> ds = trajectories.from_numpy(np.arange(10.0), np.arange(10.0) ** 2, ["x"])
    >>> trajectories.split(ds, test=0.3, by="time")["split"].values.tolist()[5:]
    ['train', 'train', 'test', 'test', 'test']
    """
    if not 0 < test < 1:
        raise DataError(f"the fraction of test data is {test!r}; it must lie between 0 and 1, both excluded.")
    check_not_empty(ds)
    if by == "trajectory":
        dims, marks = _by_trajectory(ds, test, seed)
    elif by == "time":
        dims, marks = _by_time(ds, test)
    else:
        raise unknown_name("way to split", by, ["trajectory", "time"])
    action = f"split by {by}, test={test!r}" + (f", seed={seed}" if by == "trajectory" else "")
    return ds.drop_vars("split", errors="ignore").assign_coords(split=(dims, marks)).assign_attrs(provenance(action, before=ds.attrs))


def _by_trajectory(ds: xr.Dataset, test: float, seed: int) -> tuple[tuple[str, ...], NDArray[np.str_]]:
    n = ds.sizes["trajectory"]
    if n < 2:
        raise DataError("the record has one trajectory, which cannot be split by trajectory; use by='time'.")
    n_test = min(max(round(test * n), 1), n - 1)
    marks = np.full(n, "train", dtype="<U5")
    marks[np.random.default_rng(seed).permutation(n)[:n_test]] = "test"
    return ("trajectory",), marks


def _by_time(ds: xr.Dataset, test: float) -> tuple[tuple[str, ...], NDArray[np.str_]]:
    valid = ~np.isnan(times(ds))
    marks = np.full(valid.shape, "", dtype="<U5")
    for row, present, label in zip(marks, valid, ds["trajectory"].values.tolist(), strict=True):
        n = int(present.sum())
        if n < 4:
            other = ", or use by='trajectory'" if len(valid) > 1 else ""
            raise DataError(
                f"trajectory {label!r} has {n} times; a split by time needs at least 4, two on each side. Give longer trajectories{other}."
            )
        n_test = min(max(round(test * n), 2), n - 2)
        row[: n - n_test], row[n - n_test : n] = "train", "test"
    return (("time",), marks[0]) if time_dim(ds) == "time" else (("trajectory", "obs"), marks)


def select_split(ds: xr.Dataset, part: str) -> xr.Dataset:
    """Take one part of a record that was split.

    Parameters
    ----------
    ds : xarray.Dataset
        A record with the coordinate ``split``.
    part : str
        ``"train"``, ``"test"`` or another mark that the record has.

    Returns
    -------
    xarray.Dataset
        A record of the same kind; of inputs on a clock of their own, the samples that drive this part. An input with gaps among the
        observations has its values at both ends of the part, even where the samples that decide them lie in another part.

    Raises
    ------
    DataError
        If the record is not split.
    UnknownNameError
        If it has no such part.

    See Also
    --------
    split

    Examples
    --------
    >>> import numpy as np, physode.trajectories as trajectories
    >>> ds = trajectories.from_numpy(np.arange(10.0), np.arange(10.0) ** 2, ["x"])
    >>> trajectories.select_split(trajectories.split(ds, by="time"), "test")["time"].values
    array([8., 9.])
    """
    if "split" not in ds.coords:
        raise DataError("the record has no coordinate 'split'; mark its parts first: physode.trajectories.split(ds).")
    marks = ds["split"]
    parts = sorted({str(mark) for mark in marks.values.ravel()} - {""})
    if part not in parts:
        raise unknown_name("part of the split", part, parts)
    if time_dim(ds) in marks.dims:
        ds = _known_at_the_ends(ds, np.broadcast_to(marks.transpose(..., time_dim(ds)).values == part, times(ds).shape))
    if marks.ndim == 1:
        return trim_inputs(ds.isel({marks.dims[0]: np.flatnonzero(marks.values == part)}))
    return trim_inputs(_select_rows(ds, (marks.transpose("trajectory", "obs") == part).values))


def _known_at_the_ends(ds: xr.Dataset, wanted: NDArray[np.bool_]) -> xr.Dataset:
    """Give inputs with gaps among the observations their values at the ends of a part, which samples of another part may decide."""
    cut = np.pad(~wanted, ((0, 0), (1, 1)), constant_values=True)
    ends, dims = wanted & (cut[:, :-2] | cut[:, 2:]), ("trajectory", time_dim(ds))
    gappy = [name for name in input_names(ds) if "interpolation" in ds[name].attrs and dims[1] in ds[name].dims]
    found = {name: xr.DataArray(np.where(ends, input_values(ds, [name])[..., 0], np.nan), dims=dims) for name in gappy}
    return ds.assign({name: ds[name].fillna(value) for name, value in found.items()})


def _select_rows(ds: xr.Dataset, wanted: NDArray[np.bool_]) -> xr.Dataset:
    """Keep the marked rows of an irregular record, padding at the end."""
    length = int(wanted.sum(axis=1).max())
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :length]
    kept = np.take_along_axis(wanted, order, axis=1)

    def taken(name: str, padding: float | str) -> tuple[tuple[str, str], NDArray[np.float64], dict[str, object]]:
        found = np.take_along_axis(ds[name].transpose("trajectory", "obs").values, order, axis=1)
        return ("trajectory", "obs"), np.where(kept, found, padding), ds[name].attrs

    rest = ds.drop_dims("obs")
    chosen = rest.assign({name: taken(name, np.nan) for name in sample_names(ds)})
    coords = {"time": taken("time", np.nan), "split": taken("split", "")}
    return chosen.assign_coords(coords)[list(ds.data_vars)]
