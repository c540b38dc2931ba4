"""What one augmented state must be if several trajectories of a second-order motion start with it at zero."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array, Dynamics, Predictor, unit_of
from physode.analysis.each import each
from physode.analysis.velocity_source import states_of, true_velocities
from physode.errors import DataError
from physode.trajectories import time_dim, true_states, values
from physode.trajectories.unit_algebra import rate_units

__all__ = ["anode_theory"]

_STRAIGHT: Final = 1e-6  # departure of the initial velocities from a straight line in the initial positions, over their spread

_ZERO: Final = 1e-3
"""Largest augmented state at the start, over its spread, that counts as zero: models hold it there by a prior, and fits without noise
leave about 1e-5 of the spread."""


@each
def anode_theory(model: Dynamics, ds: xr.Dataset, truth: xr.Dataset | Dynamics | None = None, *, warmup: int | None = None) -> xr.Dataset:
    r"""Give the theoretical form of ANODE(1) on a second-order motion, and how near a fitted model comes to it.

    With the augmented state at zero at the start, x' = C a + alpha x + beta must give every trajectory its initial velocity, so that
    alpha and beta follow from v(0) = alpha x(0) + beta and the augmented state is

    .. math:: a(t) = (v(t) - \alpha x(t) - \beta) / C,

    where the scale C is free. For two damped sinusoids (a sin wt + b cos wt) exp(-gt) from x(0) = 0 and 1 this is the solution of
    x' = C a - (w + g) x + w, a' = (w - g) a - (2 w^2 x + g w - w^2) / C.

    Parameters
    ----------
    model : Dynamics
        A model with one augmented state that starts at zero, or a System, for which only the form is given, with C = 1.
    ds : xarray.Dataset
        The record: one position, one or more trajectories.
    truth : xarray.Dataset or Dynamics, optional
        See `recovered_velocity`.
    warmup : int, optional
        Handed to ``model.predict``.

    Returns
    -------
    xarray.Dataset
        ``augmented_theory``, on the record's coordinates, with the C that fits the model best; ``augmented_learned`` beside it;
        ``scale`` (C), ``slope`` (alpha), ``offset`` (beta); ``r2`` of the learned augmented state about the theoretical one.

    Raises
    ------
    DataError
        If there is not one position, if the initial velocities are no straight function of the initial positions (then no affine field
        serves), or if the model has not one augmented state that starts at zero.

    Notes
    -----
    The form is that of an affine x', and a network is not bound to it: of four fits to the two sinusoids of [1]_ (two sizes of network,
    two seeds, all with R2 of x above 0.99999998), two have an R2 about the form of 0.97 and 1.00, two of 0.02 and 0.03.

    References
    ----------
    .. [1] Norcliffe et al., "On Second Order Behaviour in Augmented Neural ODEs", NeurIPS 2020, doi:10.48550/arXiv.2006.07220.

    Examples
    --------
    >>> from physode import systems
    >>> swing = systems.get("damped-oscillator")
    >>> record = swing.simulate(np.linspace(0, 10, 51), {"x": [0.0, 1.0], "v": [1.0, -0.1]}, observe=["x"])
    >>> form = anode_theory(swing, record)
    >>> round(float(form.slope), 6), round(float(form.offset), 6), float(form.augmented_theory[0, 0])
    (-1.1, 1.0, 0.0)
    """
    true = true_velocities(ds, truth)
    if len(true) != 1:
        raise DataError(f"the form holds for one position; the record has the velocities {', '.join(name for name, _, _ in true)}.")
    dims = ("trajectory", time_dim(ds))
    _, name, series = true[0]
    velocity, position = series.transpose(*dims).values, _true_position(ds, truth, name)
    slope, offset = _straight(position[:, 0], velocity[:, 0])
    form, scale, r2 = velocity - slope * position - offset, 1.0, np.nan
    attrs = {"long_name": "augmented state", "units": str(series.attrs.get("units", "")) if not isinstance(model, Predictor) else "1"}
    result = xr.Dataset(coords={key: coord for key, coord in ds.coords.items() if set(coord.dims) <= set(dims)})
    if isinstance(model, Predictor):
        learned = _augmented(model, states_of(model, ds, truth, warmup))
        usable = np.isfinite(learned) & np.isfinite(form)
        scale = float(form[usable] @ form[usable] / (form[usable] @ learned[usable]))
        r2 = float(1 - np.sum((learned - form / scale)[usable] ** 2) / np.sum((learned[usable] - learned[usable].mean()) ** 2))
        result["augmented_learned"] = (dims, learned, attrs | {"long_name": "augmented state, learned"})
    result["augmented_theory"] = (dims, form / scale, attrs | {"long_name": "augmented state, theoretical form"})
    speed = str(series.attrs.get("units", ""))
    rate = rate_units("1", unit_of(model, "time"))
    for key, number, label, unit in (
        ("scale", scale, "rate of the position by the augmented state", speed if isinstance(model, Predictor) else "1"),
        ("slope", slope, "rate of the position by itself", rate),
        ("offset", offset, "constant rate of the position", speed),
        ("r2", r2, "R2 of the learned augmented state about the theoretical form", "1"),
    ):
        result[key] = ((), number, {"long_name": label} | ({"units": unit} if unit else {}))
    result.attrs = {"dynamics": model.name}
    return result


def _true_position(ds: xr.Dataset, truth: xr.Dataset | Dynamics | None, name: str) -> Array:
    known = truth if isinstance(truth, xr.Dataset) else true_states(ds)
    if known is None or name not in known.data_vars:
        raise DataError(f"the true position {name!r} is not known; pass truth= with it.")
    return np.asarray(values(known, [name])[..., 0])


def _straight(position: Array, velocity: Array) -> tuple[float, float]:
    """Slope and offset of the initial velocities over the initial positions; one trajectory, or equal ones, need no slope."""
    centre, mean = position.mean(), velocity.mean()
    inside = position - centre
    slope = float(inside @ (velocity - mean) / (inside @ inside)) if inside.any() else 0.0
    left = np.abs(velocity - mean - slope * inside).max()
    if not left <= _STRAIGHT * max(float(np.abs(velocity).max()), 1e-300):
        raise DataError(
            f"the initial velocities are no straight function of the initial positions (they miss it by {left:.3g}): with an augmented "
            "state that starts at zero no affine field gives them. Take two trajectories that start at different positions."
        )
    return slope, float(mean - slope * centre)


def _augmented(model: Dynamics, prediction: xr.Dataset) -> Array:
    names = [str(name) for name, series in prediction.data_vars.items() if series.attrs.get("role") == "augmented"]
    if len(names) != 1:
        raise DataError(f"the form is that of one augmented state; {model.name!r} has {len(names)}. Fit with n_augmented=1.")
    learned = np.asarray(values(prediction, names)[..., 0])
    if np.abs(learned[:, 0]).max() > _ZERO * np.nanstd(learned):
        raise DataError(f"the augmented state of {model.name!r} does not start at zero. Fit with initial_augmented='zeros'.")
    return learned
