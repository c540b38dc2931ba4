"""Whether fits from several seeds found the same hidden states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.each import Collection
from physode.analysis.latent import centred, latent_names
from physode.analysis.maps import linear_map
from physode.analysis.velocity_source import states_of
from physode.errors import DataError
from physode.trajectories import values

__all__ = ["latent_agreement"]


def latent_agreement(
    models: Mapping[int, Dynamics] | Mapping[tuple[str, int], Dynamics] | Collection, ds: xr.Dataset, *, warmup: int | None = None
) -> xr.Dataset:
    r"""Compare the latent states of several fits along the same record, each with each.

    Parameters
    ----------
    models : mapping of int or (str, int) to Dynamics, or ensemble
        The fitted model of each seed, at least two. Of a comparison, as `physode.comparison.fitted_models` loads it, the seeds of each
        name are compared among themselves, and ``model`` is the leading dimension.
    ds : xarray.Dataset
        The record along which their states are taken.
    warmup : int, optional
        Handed to ``predict``.

    Returns
    -------
    xarray.Dataset
        Over ``seed`` and ``other_seed``, each number from 0 or to 1:
        ``difference``, the root mean square difference of the latent states as they are, over the root of the sum of their variances: 0
        if they are the same, about 1 if they have nothing in common; ``procrustes``, the share of the sum of squares that is left after
        the best shift, scale and rotation (or reflection); ``canonical_correlation(seed, other_seed, component)``, the correlations
        after the best linear map of both, largest first; ``r2_linear``, the share of the variance of the other seed's latent states that
        a linear map of all states of this seed's model explains (not symmetric). A pair is compared where both predictions are
        finite; NaN where they are so at fewer than two times.

    Raises
    ------
    DataError
        If there are fewer than two models, or one has no latent state.

    See Also
    --------
    augmented_velocity : what the latent states have to do with the velocity.

    References
    ----------
    .. [1] J. C. Gower, Psychometrika 40 (1975) 33, doi:10.1007/BF02291478 (Procrustes).
    .. [2] H. Hotelling, Biometrika 28 (1936) 321, doi:10.1093/biomet/28.3-4.321 (canonical correlation).

    Examples
    --------
    >>> from physode import systems
    >>> free = systems.get("pendulum-canonical")
    >>> record = free.simulate(np.linspace(0, 5, 51), n_trajectories=3, observe=["theta"], seed=0)
    >>> same = latent_agreement({0: free, 1: free}, record)
    >>> round(float(same.procrustes.sel(seed=0, other_seed=1)), 9), round(float(same.canonical_correlation.min()), 9)
    (0.0, 1.0)
    """
    members: Mapping[Any, Dynamics] = models.members if isinstance(models, Collection) else models
    named: dict[str, dict[int, Dynamics]] = {}
    for key, model in members.items():
        name, seed = key if isinstance(key, tuple) else ("", key)
        named.setdefault(str(name), {})[seed] = model
    found = {name: _agreement(own, ds, warmup) for name, own in named.items()} or {"": _agreement({}, ds, warmup)}
    if list(found) == [""]:
        return found[""]
    told = [part.drop_attrs(deep=False) for part in found.values()]
    return xr.concat(told, xr.Variable("model", list(found)), join="outer", combine_attrs="override")


def _agreement(models: Mapping[int, Dynamics], ds: xr.Dataset, warmup: int | None) -> xr.Dataset:
    if len(models) < 2:
        raise DataError(f"agreement needs at least two fitted models; found {len(models)}. Pass a mapping from seed to model.")
    latent, whole = [], []
    for model in models.values():
        prediction = states_of(model, ds, None, warmup)
        latent.append(values(prediction, latent_names(model, ds)))
        whole.append(values(prediction, [*model.states]))
    known = [np.isfinite(series).all(axis=-1) for series in whole]
    n, width = len(models), max(series.shape[-1] for series in latent)
    numbers = {name: np.full((n, n), np.nan) for name in ("difference", "procrustes", "r2_linear")}
    canonical = np.full((n, n, width), np.nan)
    for i in range(n):
        for j in range(n):
            common = known[i] & known[j]
            if common.sum() < 2:
                continue
            own, other = latent[i][common], latent[j][common]
            a, b = (np.pad(series, ((0, 0), (0, width - series.shape[1]))) for series in (own, other))
            spread = a.var(axis=0).sum() + b.var(axis=0).sum()
            numbers["difference"][i, j] = np.sqrt(np.mean(((a - b) ** 2).sum(axis=1)) / spread)
            numbers["procrustes"][i, j] = _procrustes(centred(a), centred(b))
            numbers["r2_linear"][i, j] = _explained(whole[i][common], other)
            found = _canonical(centred(own), centred(other))
            canonical[i, j, : len(found)] = found
    labels = {
        "difference": "difference of the latent states as they are",
        "procrustes": "Procrustes distance: what shift, scale and rotation leave",
        "r2_linear": "R2 of a linear map from this seed's states to the other's latent ones",
    }
    result = xr.Dataset(
        {name: (("seed", "other_seed"), table, {"units": "1", "long_name": labels[name]}) for name, table in numbers.items()},
        {"seed": list(models), "other_seed": list(models), "component": np.arange(1, width + 1)},
        {"dynamics": ", ".join(dict.fromkeys(model.name for model in models.values()))},
    )
    result["canonical_correlation"] = (
        ("seed", "other_seed", "component"),
        canonical,
        {"units": "1", "long_name": "canonical correlation of the latent states"},
    )
    return result


def _procrustes(a: Array, b: Array) -> float:
    """Give the share that is left of one set of centred points after the best rotation and scale of another."""
    sizes = np.linalg.norm(a) * np.linalg.norm(b)
    if sizes == 0:
        return float("nan")
    return float(max(0.0, 1 - (np.linalg.svd(a.T @ b, compute_uv=False).sum() / sizes) ** 2))


def _canonical(a: Array, b: Array) -> Array:
    bases = []
    for points in (a, b):
        u, s, _ = np.linalg.svd(points, full_matrices=False)
        bases.append(u[:, s > 1e-10 * s.max(initial=0.0)])
    return np.asarray(np.clip(np.linalg.svd(bases[0].T @ bases[1], compute_uv=False), 0.0, 1.0))


def _explained(features: Array, targets: Array) -> float:
    left = np.stack([linear_map(features, column)[0] for column in targets.T], axis=1) - targets
    return float(1 - np.sum(left**2) / np.sum(centred(targets) ** 2))
