"""Drift of everything that a system keeps, not of its energy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.each import each
from physode.analysis.energy import energy_drift
from physode.errors import DataError

__all__ = ["invariant_drift"]


@runtime_checkable
class _Keeper(Dynamics, Protocol):
    @property
    def invariants(self) -> Mapping[str, Callable[[Array], Array]]:
        """Conserved quantities by name."""
        ...


class _Keeping:
    """A system whose energy is one of its conserved quantities."""

    def __init__(self, system: _Keeper, name: str) -> None:
        self.name, self.states, self.units, self.time_scale = system.name, system.states, system.units, system.time_scale
        self.rhs, self.jvp, self.divergence, self.sample_states = system.rhs, system.jvp, system.divergence, system.sample_states
        self.energy = system.invariants[name]
        self.energy_units = str(getattr(system, "energy_units", "")) if name == "energy" else ""


@each
def invariant_drift(
    dynamics: Dynamics,
    record: xr.Dataset | Mapping[str, ArrayLike] | ArrayLike,
    system: Dynamics,
    *,
    time: ArrayLike | None = None,
) -> xr.Dataset:
    """Follow every conserved quantity of a system along trajectories of another dynamics, such as a model fitted to it.

    Parameters
    ----------
    dynamics : Dynamics
        What is integrated.
    record : xarray.Dataset, mapping or array
        A record, or initial states; see `energy_drift`.
    system : Dynamics
        A System with ``invariants``: energy, angular momentum, the constant V of Lotka-Volterra, ...
    time : array_like, optional
        See `energy_drift`.

    Returns
    -------
    xarray.Dataset
        The result of `energy_drift` over a dimension ``invariant``: ``value(invariant, trajectory, time)``, ``max_drift``,
        ``rms_drift``, ``slope``, the ``scale(invariant)`` that these are counted by, which does not vanish with the quantity, and
        ``floor_value``, ``floor_max_drift`` of the system itself under the same solver.

    Raises
    ------
    DataError
        If the system conserves nothing.

    See Also
    --------
    energy_drift : one quantity, on a scale of your own.
    find_invariant : when what is conserved is not known.

    Examples
    --------
    >>> from physode import systems
    >>> predators = systems.get("lotka-volterra")
    >>> found = invariant_drift(predators, {"x": [1.0, 1.2], "y": 1.0}, predators, time=np.linspace(0, 20, 101))
    >>> found.invariant.values.tolist(), bool(found.max_drift.max() < 1e-7)
    (['V'], True)
    """
    if not isinstance(system, _Keeper) or not system.invariants:
        raise DataError(f"{system.name!r} conserves nothing that could drift; pass a system with invariants, or use energy_drift.")
    names = list(system.invariants)
    followed = [energy_drift(dynamics, record, energy=_Keeping(system, name), time=time) for name in names]
    units = [str(found["energy"].attrs.get("units", "")) for found in followed]
    result = xr.concat([_plain(found) for found in followed], xr.Variable("invariant", names), combine_attrs="drop_conflicts")
    result = result.rename(energy="value", floor_energy="floor_value")
    result["value"].attrs["long_name"] = "conserved quantity"
    result["floor_value"].attrs["long_name"] = "conserved quantity of the true system, same solver"
    result["scale"].attrs["long_name"] = "scale of the conserved quantity"
    result.attrs = followed[0].attrs
    return result.assign_coords(units=("invariant", units))


def _plain(found: xr.Dataset) -> xr.Dataset:
    """Leave out units that differ between the quantities; they are in the coordinate."""
    for name in ("energy", "floor_energy", "scale"):
        found[name].attrs.pop("units", None)
        found[name] = found[name].astype(np.float64)
    return found
