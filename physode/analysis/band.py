"""Where a state lies, with a stated probability, by the spread of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr
from scipy import stats

from physode.analysis.coordinates import check_coordinates
from physode.analysis.dynamics import Array, Predictor
from physode.analysis.settings import whole
from physode.errors import DataError, unknown_name
from physode.trajectories import state_names, time_dim, times, true_states
from physode.trajectories.noise import NOISE_SUFFIX

__all__ = ["LEVELS", "TARGETS", "band_levels", "banded_states", "prediction_band"]

LEVELS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Levels of a calibration curve."""
TARGETS: Final = ("truth", "observation")
_FEW: Final = 5  # degrees of freedom: those of Welch and Satterthwaite fail below


def prediction_band(
    prediction: xr.Dataset | Predictor,
    ds: xr.Dataset,
    level: float | Sequence[float] = 0.9,
    *,
    target: str = "truth",
    warmup: int | None = None,
) -> xr.Dataset:
    """Turn the spread of an ensemble into a band that should hold a state with a stated probability.

    Parameters
    ----------
    prediction : xarray.Dataset or ensemble
        Predictions over a dimension ``seed``, on the record's coordinates; or a fitted `physode.Ensemble`, which predicts them.
    ds : xarray.Dataset
        The record.
    level : float or sequence of float, default 0.9
        Probability, between 0 and 1. A sequence gives bands over a dimension ``level``; `LEVELS` serves a calibration curve.
    target : {"truth", "observation"}, default "truth"
        What the band should hold: the noise-free state, or a measurement of it. The second adds the observation noise, which
        the members found in their training record (``<state>_noise_std`` of the prediction), and covers the observed states alone.
    warmup : int, optional
        Handed to ``predict``: how many observations the initial states may be estimated from. Given with a prediction, it says what
        that one was made with.

    Returns
    -------
    xarray.Dataset
        ``<state>_lower``, ``<state>_median`` and ``<state>_upper`` in the state's units, on the record's coordinates, for each state that
        the record or its truth has. The coordinate ``level`` holds the level; the attributes `target` and `warmup` (0: none) what was
        asked.

    Raises
    ------
    DataError
        If there are no members to compare, they are not on the record's coordinates or several models', a level is no probability, or
        the noise of an observation is not known.
    UnknownNameError
        If there is no such target.
    PhysodeError
        If `warmup` is no whole number of 1 or more.

    Notes
    -----
    Where the prediction has ``<state>_centre``, as that of an Ensemble, the band is c +- t s, with the root mean square distance s of
    the n members from the centre c and Student's t for n degrees of freedom; else, with mean m and standard deviation s of the
    members, it is m +- t s sqrt(1 + 1/n), for n - 1 degrees. (From the smallest to the largest of 8 members would be 78 %, not
    90.) With noise of standard deviation e, s^2 + e^2 takes the place of s^2, with the degrees of freedom of Welch and
    Satterthwaite [1]_, since the noise is known much better than s. These hold too little where t has fewer than five degrees; there
    the half-width is the root of (t s)^2 + (z e)^2, with the normal quantile z, which holds more where s and e are alike: at most
    0.96, 0.94, 0.93, 0.92 for 0.9 with 1 to 4 degrees. Members that ran away are left out; with fewer than two left, the band has
    no end.

    References
    ----------
    .. [1] Satterthwaite, Biometrics Bulletin 2 (1946) 110, doi:10.2307/3002019.

    Examples
    --------
    >>> from physode.trajectories import from_numpy
    >>> record = from_numpy(np.arange(3.0), np.arange(3.0), ["x"])
    >>> members = 0 * record + xr.DataArray([-1.0, 0.0, 1.0], dims="seed")
    >>> band = prediction_band(members, record, 0.5)
    >>> round(float(band.x_upper[0, 0]), 4), float(band.x_median[0, 0])
    (0.9428, 0.0)
    """
    whole(1, warmup=warmup)
    levels = _probabilities(level)
    if target not in TARGETS:
        raise unknown_name("target", target, TARGETS)
    made = _predicted(prediction, ds, warmup)
    if made.sizes.get("seed", 0) < 2:
        raise DataError(f"the prediction has {made.sizes.get('seed', 0)} members along 'seed'; a band takes at least 2: physode.Ensemble.")
    known = true_states(ds)
    candidates = state_names(ds) if target == "observation" else dict.fromkeys([*(known if known is not None else ()), *state_names(ds)])
    names = [str(name) for name in candidates if name in made]
    if not names:
        raise DataError(f"the prediction shares no state with the record: {', '.join(map(str, made.data_vars))}.")
    dims = ("trajectory", time_dim(ds))
    other = [str(dim) for name in names for dim in made[name].dims if dim not in ("seed", *dims)]
    if other:
        raise DataError(f"the prediction has the dimension {other[0]!r}, and a band is that of one: prediction.sel({other[0]}=...).")
    check_coordinates(made, ds)
    result = xr.Dataset(coords={name: coord for name, coord in ds.coords.items() if set(coord.dims) <= set(dims)})
    there = np.isfinite(times(ds))
    result["level"] = ("level", levels, {"units": "1", "long_name": "level of the band"})
    for name in names:
        members = made[name].transpose("seed", *dims).values
        centre = made[f"{name}_centre"].transpose(*dims).values if f"{name}_centre" in made else None
        middle, half = _spread(members, centre, levels, _noise(made, name) if target == "observation" else 0.0)
        unit = str(made[name].attrs.get("units", ""))
        for part, value in (("lower", middle - half), ("upper", middle + half)):
            about = {"units": unit, "long_name": f"{part} end of the band of {name}"}
            result[f"{name}_{part}"] = (("level", *dims), np.where(there, value, np.nan), about)
        about = {"units": unit, "long_name": f"middle of the band of {name}"}
        result[f"{name}_median"] = (dims, np.where(there, middle, np.nan), about)
    result = result if np.ndim(level) else result.isel(level=0)
    return result.assign_attrs(target=target, warmup=warmup or 0, n_members=int(made.sizes["seed"]))


def banded_states(band: xr.Dataset) -> list[str]:
    """Names of the states that a band is of."""
    return [str(name).removesuffix("_median") for name in band.data_vars if str(name).endswith("_median")]


def band_levels(band: xr.Dataset) -> Array:
    """Levels of a band, of which there may be one."""
    return np.atleast_1d(band["level"].values.astype(np.float64))


def _predicted(prediction: object, ds: xr.Dataset, warmup: int | None) -> xr.Dataset:
    if isinstance(prediction, xr.Dataset):
        return prediction
    if isinstance(prediction, Predictor):
        return prediction.predict(ds, warmup=warmup)
    what = type(prediction).__name__
    raise DataError(f"a band is made of predictions over 'seed' or of a fitted physode.Ensemble, which predicts them; found a {what}.")


def _probabilities(level: float | Sequence[float]) -> Array:
    levels = np.atleast_1d(np.asarray(level, dtype=np.float64))
    if not ((levels > 0) & (levels < 1)).all():
        raise DataError(f"the level is {level}; it is a probability between 0 and 1, such as 0.9.")
    return levels


def _noise(made: xr.Dataset, name: str) -> float:
    """Variance of the observation noise, averaged over the members."""
    if f"{name}{NOISE_SUFFIX}" not in made:
        raise DataError(
            f"the prediction has no '{name}{NOISE_SUFFIX}', so that the noise of a measured {name!r} is not known; predict with a "
            "physode.Ensemble, add that variable, or ask for target='truth'."
        )
    return float(np.mean(made[f"{name}{NOISE_SUFFIX}"].values ** 2))


def _spread(members: Array, centre: Array | None, levels: Array, noise: float) -> tuple[Array, Array]:
    """Middle (trajectory, time), and half the width (level, trajectory, time), of members (seed, trajectory, time)."""
    usable = np.isfinite(members)
    n = usable.sum(axis=0)
    middle = np.where(usable, members, 0.0).sum(axis=0) / np.maximum(n, 1) if centre is None else centre
    squares = np.where(usable, (members - middle) ** 2, 0.0).sum(axis=0)
    known = np.maximum(n - 1 if centre is None else n, 1)  # degrees of freedom
    drawn = squares / known * (1 + 1 / np.maximum(n, 1) if centre is None else 1)
    with np.errstate(over="ignore"):
        freedom = known * (1 + np.divide(noise, drawn, out=np.full_like(drawn, np.inf), where=drawn > 0)) ** 2
    end = 0.5 + levels[:, None, None] / 2
    separate = np.sqrt(stats.t.ppf(end, known) ** 2 * drawn + stats.norm.ppf(end) ** 2 * noise)
    half = np.where(known < _FEW, separate, stats.t.ppf(end, freedom) * np.sqrt(drawn + noise))
    return middle, np.where((n > 1) & np.isfinite(middle), half, np.inf)
