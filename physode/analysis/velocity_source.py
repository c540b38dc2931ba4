"""Where velocities come from: the true ones from a record or a System, the recovered ones from a model's prediction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array, Dynamics, Learned, Predictor, unit_of
from physode.errors import DataError
from physode.trajectories import check_not_empty, times, true_states, values
from physode.trajectories.unit_algebra import rate_units

__all__ = ["recover", "states_of", "true_velocities"]


def true_velocities(ds: xr.Dataset, truth: xr.Dataset | Dynamics | None) -> list[tuple[str, str, xr.DataArray]]:
    """Name, position and series of each true velocity.

    Raises
    ------
    DataError
        If none is known, or the record is empty.
    """
    check_not_empty(ds)
    known = truth if isinstance(truth, xr.Dataset) else true_states(ds)
    if known is None:
        raise DataError(
            "no true velocity is known: the record was measured. Pass truth=, a data set on the record's coordinates "
            "whose velocities carry the attribute time_derivative_of."
        )
    if truth is not None and not isinstance(truth, xr.Dataset):
        rate = _field_at(truth, known)
        positions = [name for name in truth.states if known[name].attrs.get("role") == "position"]
        return [(f"{name}_velocity", name, _rate_of(truth, rate, known, name)) for name in positions]
    found = [
        (str(name), str(series.attrs["time_derivative_of"]), series)
        for name, series in known.data_vars.items()
        if "time_derivative_of" in series.attrs and series.attrs.get("role") != "augmented"
    ]
    if not found:
        raise DataError(
            f"none of the true states {', '.join(map(str, known.data_vars))} is a velocity (attribute time_derivative_of). "
            "If they hold positions and momenta, pass the System as truth=."
        )
    return found


def _rate_of(system: Dynamics, rate: Array, known: xr.Dataset, name: str) -> xr.DataArray:
    units = rate_units(unit_of(system, name), unit_of(system, "time"))
    series = known[name].copy(data=rate[..., system.states.index(name)])
    series.attrs = {"units": units, "long_name": f"velocity of {name}"}
    return series


def _field_at(dynamics: Dynamics, states: xr.Dataset) -> Array:
    """Evaluate the vector field at the states of a data set, (trajectory, n, state)."""
    missing = [name for name in dynamics.states if name not in states.data_vars]
    if missing:
        raise DataError(
            f"{dynamics.name!r} needs the states {', '.join(dynamics.states)}; {', '.join(missing)} are missing from the truth."
        )
    z = values(states, list(dynamics.states))
    flat, time = z.reshape(-1, z.shape[-1]), times(states).reshape(-1)
    usable, rate = np.isfinite(flat).all(axis=1) & np.isfinite(time), np.full(flat.shape, np.nan)
    if usable.any():
        rate[usable] = dynamics.rhs(time[usable], flat[usable])
    return rate.reshape(z.shape)


def states_of(model: Dynamics, ds: xr.Dataset, truth: xr.Dataset | Dynamics | None, warmup: int | None) -> xr.Dataset:
    """Give the states on the record: what a model predicts, or, for a System, the true ones."""
    if isinstance(model, Predictor):
        return model.predict(ds, warmup=warmup)
    known = truth if isinstance(truth, xr.Dataset) else true_states(ds)
    return ds if known is None else known


def recover(model: Dynamics, prediction: xr.Dataset, ds: xr.Dataset, positions: list[str]) -> tuple[str, list[Array | None]]:
    """Say what stands for the velocities, and give its series (trajectory, n) for each position, None where there is none.

    Raises
    ------
    DataError
        If the model has none of the positions.
    """
    absent = [name for name in positions if name not in model.states]
    if absent:
        raise DataError(f"{model.name!r} has no state {', '.join(absent)}, only {', '.join(model.states)}; compare it on a record it fits.")
    if isinstance(model, Predictor):
        own: Mapping[str, str] = {str(series.attrs.get("time_derivative_of")): str(name) for name, series in prediction.data_vars.items()}
        if all(name in own for name in positions):
            return "velocity", [values(prediction, [own[name]])[..., 0] for name in positions]
        augmented = [str(name) for name, series in prediction.data_vars.items() if series.attrs.get("role") == "augmented"]
        if augmented:
            found = [values(prediction, [name])[..., 0] for name in augmented[: len(positions)]]
            return "augmented state", [*found, *[None] * (len(positions) - len(found))]
    if isinstance(model, Learned):
        slopes = model.vector_field(ds, prediction)
        return "time derivative of the position", [values(slopes, [f"d{name}_dt"])[..., 0] for name in positions]
    rate = _field_at(model, prediction)
    return "time derivative of the position", [rate[..., model.states.index(name)] for name in positions]
