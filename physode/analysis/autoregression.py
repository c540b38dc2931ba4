"""Forecasts that any model must beat: nothing changes, or everything is linear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array
from physode.analysis.even import step_tolerance
from physode.analysis.settings import whole
from physode.analysis.sizes import binary
from physode.errors import DataError
from physode.trajectories import check_not_empty, state_names, time_dim, times, values

__all__ = ["Autoregression", "Persistence"]


class Persistence:
    """The forecast that nothing changes: the last known value of each state stays.

    Examples
    --------
    >>> from physode.trajectories import from_numpy
    >>> record = from_numpy(np.arange(5.0), np.arange(5.0) ** 2, ["x"])
    >>> Persistence().predict(record, warmup=3).x.values
    array([[0., 1., 4., 4., 4.]])
    """

    def predict(self, ds: xr.Dataset, warmup: int | None = None) -> xr.Dataset:
        """Forecast the observed states of a record from the first `warmup` observations of each trajectory, by default the first one.

        Raises
        ------
        DataError
            If the record is empty.
        PhysodeError
            If `warmup` is no whole number of 1 or more.
        """
        whole(1, warmup=warmup)
        check_not_empty(ds)
        names = state_names(ds)
        known = _filled(values(ds, names)[:, : 1 if warmup is None else warmup])
        path = np.repeat(known[:, -1:], ds.sizes[time_dim(ds)], axis=1)
        path[:, : known.shape[1]] = known
        return _record(path, names, ds)


@dataclass
class Autoregression:
    """Each state as a linear function, plus a constant, of all states at the last p times; by least squares.

    With p = 1 this is the linear map of dynamic mode decomposition [1]_.

    Parameters
    ----------
    order : int, optional
        p. Default: that from 1 to `most` with the least information criterion of Akaike [2]_ on the training record.
    most : int, default 10
        Largest order that is tried, and number of observations that a forecast may need.

    References
    ----------
    .. [1] Tu et al., J. Comput. Dyn. 1 (2014) 391, doi:10.3934/jcd.2014.1.391.
    .. [2] Akaike, IEEE Trans. Autom. Control 19 (1974) 716, doi:10.1109/TAC.1974.1100705.

    Examples
    --------
    >>> from physode.trajectories import from_numpy
    >>> time = np.linspace(0, 10, 101)
    >>> record = from_numpy(time, np.sin(time), ["x"])
    >>> model = Autoregression(order=2).fit(record)
    >>> bool(np.abs(model.predict(record, warmup=2) - record).x.max() < 1e-8)
    True
    """

    order: int | None = None
    most: int = 10

    def fit(self, ds: xr.Dataset) -> Self:
        """Fit to the observed states of a record with one sampling interval, leaving out where values are missing.

        Raises
        ------
        DataError
            If the sampling is uneven or the record too short.
        """
        self.states_, self.step_ = tuple(state_names(ds)), _sampling(ds)
        series = values(ds, self.states_)
        size = binary(np.abs(series).max(axis=(0, 1), where=np.isfinite(series), initial=0.0))  # least squares must not depend on units
        series = series / size
        orders = range(1, self.most + 1) if self.order is None else [self.order]
        longest = max(orders)
        least, found = np.inf, None
        for order in orders:
            design, target = _lagged(series, order, longest)
            if len(target) <= design.shape[1] + len(self.states_):
                continue
            weights, _, _, _ = np.linalg.lstsq(design, target, rcond=None)
            residual = target - design @ weights
            floor = np.finfo(np.float64).eps * np.abs(target).max()
            _, log_det = np.linalg.slogdet(residual.T @ residual / len(target) + floor**2 * np.eye(len(self.states_)))
            criterion = len(target) * log_det + 2 * weights.size
            if criterion < least:
                least, found = criterion, (order, weights)
        if found is None:
            raise DataError(f"the record is too short for an autoregression of order {min(orders)} on {len(self.states_)} states.")
        self.order_, weights = found
        self.weights_ = weights * size / np.append(np.tile(size, self.order_), 1.0)[:, None]
        return self

    def predict(self, ds: xr.Dataset, warmup: int | None = None) -> xr.Dataset:
        """Forecast a record from the first `warmup` observations of each trajectory, of which it needs `order_`, which is the default.

        A trajectory that was not measured up to there is forecast from its last measurement on.

        Raises
        ------
        DataError
            If there are fewer, or the record has another sampling interval than the training record.
        PhysodeError
            If `warmup` is no whole number of 1 or more.
        """
        whole(1, warmup=warmup)
        if abs((step := _sampling(ds)) - self.step_) > step_tolerance(times(ds), self.step_):
            raise DataError(
                f"the record is sampled every {step:g}, the training record every {self.step_:g}; an autoregression needs the same."
            )
        observed = values(ds, self.states_)[:, : self.order_ if warmup is None else warmup]
        known, measured = _filled(observed), np.asarray(np.isfinite(observed).any(axis=2))
        if known.shape[1] < self.order_:
            raise DataError(f"an autoregression of order {self.order_} starts from as many observations, found {known.shape[1]}.")
        path = np.concatenate([known, np.full((len(known), ds.sizes[time_dim(ds)] - known.shape[1], known.shape[2]), np.nan)], axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            begin = np.maximum(known.shape[1] - measured[:, ::-1].argmax(axis=1), self.order_)
            for i in range(begin.min(), path.shape[1]):
                ahead = begin <= i
                past = path[ahead, i - self.order_ : i][:, ::-1].reshape(ahead.sum(), -1)
                path[ahead, i] = past @ self.weights_[:-1] + self.weights_[-1]
        return _record(path, list(self.states_), ds)


def _lagged(series: Array, order: int, first: int) -> tuple[Array, Array]:
    """Pair each state, from time number `first` on, with those at the `order` times before, the last first, and 1."""
    n = series.shape[1]
    past = np.concatenate([series[:, first - lag : n - lag] for lag in range(1, order + 1)], axis=-1).reshape(-1, order * series.shape[2])
    target = series[:, first:].reshape(-1, series.shape[2])
    usable = np.isfinite(past).all(axis=1) & np.isfinite(target).all(axis=1)
    return np.concatenate([past, np.ones((len(past), 1))], axis=1)[usable], target[usable]


def _sampling(ds: xr.Dataset) -> float:
    """Give the sampling interval of a record."""
    check_not_empty(ds)
    gaps = np.diff(times(ds), axis=1)
    gaps = gaps[np.isfinite(gaps)]
    if not gaps.size:
        raise DataError("no trajectory of the record has two times; an autoregression needs a sampling interval. Use a longer record.")
    if np.ptp(gaps) > step_tolerance(times(ds), gaps.mean()):
        raise DataError(
            f"the record is sampled every {gaps.min():g} to {gaps.max():g}; "
            "an autoregression needs one sampling interval. Interpolate the record."
        )
    return float(gaps.mean())


def _filled(known: Array) -> Array:
    """Put the last known value where one is missing, at the start the first known one."""
    there = np.isfinite(known)
    last = np.maximum.accumulate(np.where(there, np.arange(known.shape[1])[:, None], -1), axis=1)
    index = np.where(last < 0, there.argmax(axis=1)[:, None], last)
    return np.take_along_axis(known, index, axis=1)


def _record(path: Array, names: list[str], ds: xr.Dataset) -> xr.Dataset:
    dims = ("trajectory", time_dim(ds))
    there = np.isfinite(times(ds))
    return xr.Dataset(
        {name: (dims, np.where(there, path[..., i], np.nan), dict(ds[name].attrs)) for i, name in enumerate(names)}, ds.coords
    )
