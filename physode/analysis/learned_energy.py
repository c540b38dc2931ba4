"""A learned Hamiltonian against the true energy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array, Dynamics, Predictor
from physode.analysis.each import each
from physode.analysis.energy_source import EnergySystem, evaluate, resolve
from physode.analysis.velocity_source import states_of
from physode.errors import DataError
from physode.trajectories import time_dim, values

__all__ = ["learned_energy"]


@runtime_checkable
class _Hamiltonian(Protocol):
    def hamiltonian(self, z: Array) -> Array:
        """Learned energy of states (batch, state), (batch,)."""
        ...


@each
def learned_energy(
    model: Dynamics, ds: xr.Dataset, energy: EnergySystem | Callable[[Array], Array] | str, *, warmup: int | None = None
) -> xr.Dataset:
    """Compare a learned energy with the true one, at the model's own states along a record.

    An energy is defined up to a constant; and up to a factor too where the momentum was not measured, since a model may count it in
    any unit. What can be compared is therefore the learned energy after the best affine map to the true one. The slope of the map says
    what the factor was: 1 where q and p were in the record.

    Parameters
    ----------
    model : Dynamics
        A model with a ``hamiltonian``, or a System with an energy.
    ds : xarray.Dataset
        The record: trajectories of several energies, or there is nothing to compare.
    energy : System, callable or str
        The true energy; see `energy_drift`. A System's velocity that the model does not have is the rate of its position.
    warmup : int, optional
        Handed to ``model.predict``.

    Returns
    -------
    xarray.Dataset
        ``slope`` and ``intercept`` of true = slope * learned + intercept; ``slope_standard_error``, from leaving out one trajectory at a
        time (NaN for fewer than three); ``r2``; ``rmse``, in the units of the true energy; on the record's coordinates
        ``energy_learned`` (as it is), ``energy_mapped`` and ``energy_true``.

    Raises
    ------
    DataError
        If the model has no energy, or the true one is the same everywhere.

    Examples
    --------
    >>> from physode import systems
    >>> pendulum = systems.get("pendulum-canonical", mass=2.0)
    >>> record = pendulum.simulate(np.linspace(0, 5, 21), n_trajectories=4, seed=0)
    >>> found = learned_energy(pendulum, record, lambda z: 3 * pendulum.energy(z) - 1)
    >>> round(float(found.slope), 6), round(float(found.intercept), 6), bool(found.rmse < 1e-9)
    (3.0, -1.0, True)
    """
    function = _own_energy(model)
    z = values(states_of(model, ds, None, warmup), list(model.states))
    source = resolve(model, energy, ds)
    learned, true = evaluate(function, z), evaluate(source.function, z)
    usable = np.isfinite(learned) & np.isfinite(true)
    if not usable.any() or np.ptp(true[usable]) <= 1e-9 * np.abs(true[usable]).max():
        raise DataError("the true energy is the same all along the record; take trajectories of several energies.")
    slope, intercept = _affine(learned[usable], true[usable])
    mapped = slope * learned + intercept
    left = (true - mapped)[usable]
    others = []
    for k in range(len(z)) if len(z) > 2 else ():
        rest = usable & (np.arange(len(z)) != k)[:, None]
        others.append(_affine(learned[rest], true[rest])[0])
    error = np.sqrt((len(z) - 1) * np.var(others)) if others else np.nan
    dims, unit = ("trajectory", time_dim(ds)), {"units": source.units} if source.units else {}
    return xr.Dataset(
        {
            "slope": ((), slope, {"long_name": "slope of the map from learned to true energy"}),
            "slope_standard_error": ((), error, {"long_name": "standard error of the slope"}),
            "intercept": ((), intercept, unit | {"long_name": "intercept of the map"}),
            "r2": ((), 1 - left.var() / true[usable].var(), {"units": "1", "long_name": "R2 after the affine map"}),
            "rmse": ((), np.sqrt(np.mean(left**2)), unit | {"long_name": "root mean square error after the affine map"}),
            "energy_learned": (dims, learned, {"long_name": "learned energy"}),
            "energy_mapped": (dims, mapped, unit | {"long_name": "learned energy, mapped"}),
            "energy_true": (dims, true, unit | {"long_name": "true energy"}),
        },
        {name: coord for name, coord in ds.coords.items() if set(coord.dims) <= set(dims)},
        {"dynamics": model.name},
    )


def _own_energy(model: Dynamics) -> Callable[[Array], Array]:
    if isinstance(model, _Hamiltonian) and isinstance(model, Predictor):
        return model.hamiltonian
    if isinstance(model, EnergySystem) and not isinstance(model, Predictor):
        return model.energy
    raise DataError(f"{model.name!r} has learned no energy. Fit a Hamiltonian model, or search with find_invariant.")


def _affine(learned: Array, true: Array) -> tuple[float, float]:
    inside = learned - learned.mean()
    slope = float(inside @ true / (inside @ inside)) if inside.any() else 0.0
    return slope, float(true.mean() - slope * learned.mean())
