"""The plane of two states: the vector field on a grid, its divergence, and where its components vanish."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from contourpy import contour_generator

from physode.analysis.autonomy import refuse_driven
from physode.analysis.dynamics import Array, Dynamics, unit_of
from physode.analysis.each import each
from physode.analysis.fixed_points import jacobians
from physode.analysis.settings import not_negative, whole
from physode.analysis.sizes import sampled_box
from physode.errors import DataError
from physode.trajectories.names import check_free
from physode.trajectories.unit_algebra import rate_units

__all__ = ["nullclines", "phase_plane"]

_N_STEPS: Final = 4  # of Newton's method


@each
def phase_plane(dynamics: Dynamics, *, n: int = 41, reach: float = 0.5, seed: int = 0) -> xr.Dataset:
    """Evaluate a planar vector field and its divergence on a grid.

    Parameters
    ----------
    dynamics : Dynamics
        An autonomous vector field with two states.
    n : int, default 41
        Grid points along each state.
    reach : float, default 0.5
        How far the grid goes beyond the box around ``dynamics.sample_states``, in sizes of the box. A learned field means little there.
    seed : int, default 0
        Of the states that span the box.

    Returns
    -------
    xarray.Dataset
        Over the two states, by their names: ``d<state>_dt`` and ``divergence``, the rate at which the flow expands areas, in inverse
        time. Where a conservative truth has none, a learned field's divergence says where it attracts or repels.

    Raises
    ------
    DataError
        If there are not two states, one has the name of something else in the result, or the field is driven in time.
    PhysodeError
        If `n` is less than 2.

    Examples
    --------
    >>> from physode import systems
    >>> found = phase_plane(systems.get("damped-oscillator"), n=5)
    >>> dict(found.sizes), bool(np.allclose(found.divergence, found.divergence[0, 0]))
    ({'x': 5, 'v': 5}, True)
    """
    (first, second), x, y, states = _grid(dynamics, n, reach, seed)
    check_free((first, second), (f"d{first}_dt", f"d{second}_dt", "divergence"))
    rates = dynamics.rhs(0.0, states)
    time = unit_of(dynamics, "time")
    result = xr.Dataset(
        coords={first: (first, x, {"units": unit_of(dynamics, first)}), second: (second, y, {"units": unit_of(dynamics, second)})},
        attrs={"dynamics": dynamics.name},
    )
    for i, name in enumerate((first, second)):
        units = rate_units(unit_of(dynamics, name), time)
        result[f"d{name}_dt"] = ((second, first), rates[:, i].reshape(n, n), {"units": units, "long_name": f"rate of {name}"})
    spread = {"units": rate_units("1", time), "long_name": "divergence of the vector field"}
    result["divergence"] = ((second, first), dynamics.divergence(0.0, states).reshape(n, n), spread)
    return result


@each
def nullclines(dynamics: Dynamics, *, n: int = 201, reach: float = 0.5, seed: int = 0) -> xr.Dataset:
    """Find the curves on which one component of a planar vector field vanishes; where those of both cross are its fixed points.

    Parameters
    ----------
    dynamics, reach, seed
        As of `phase_plane`.
    n : int, default 201
        Points along each state of the grid on which sign changes are looked for. The curves are then corrected by Newton's
        method; what is smaller than the grid's mesh is not seen.

    Returns
    -------
    xarray.Dataset
        Over ``point``: a variable for each state; ``component``, the state whose rate vanishes; ``curve``, a number for each
        connected curve, along which its points are in order.

    Raises
    ------
    DataError
        If there are not two states, one has the name of something else in the result, or the field is driven in time.
    PhysodeError
        If `n` is less than 2.

    Examples
    --------
    >>> from physode import systems
    >>> found = nullclines(systems.get("van-der-pol", mu=1.0))
    >>> flat = found.where(found.component == "x", drop=True)
    >>> bool(np.abs(flat.v).max() < 1e-12)
    True
    """
    names, x, y, states = _grid(dynamics, n, reach, seed)
    check_free(names, ("point", "component", "curve"))
    rates = dynamics.rhs(0.0, states).reshape(n, n, 2)
    mesh = np.array([x[1] - x[0], y[1] - y[0]])
    curves, components = [], []
    for i, name in enumerate(names):
        for line in contour_generator(x, y, np.ma.masked_invalid(rates[..., i])).lines(0.0):
            curves.append(_corrected(dynamics, np.asarray(line, dtype=np.float64), i, mesh))
            components.append(name)
    points = np.concatenate(curves) if curves else np.empty((0, 2))
    lengths = [len(curve) for curve in curves]
    return xr.Dataset(
        {name: ("point", points[:, i], {"units": unit_of(dynamics, name), "long_name": name}) for i, name in enumerate(names)},
        {
            "component": ("point", np.repeat(np.array(components, dtype=np.str_), lengths)),
            "curve": ("point", np.repeat(np.arange(len(curves)), lengths)),
        },
        {"dynamics": dynamics.name},
    )


def _grid(dynamics: Dynamics, n: int, reach: float, seed: int) -> tuple[tuple[str, str], Array, Array, Array]:
    """Names of the states, their values along the axes, and the states on the grid, (n * n, 2)."""
    if len(dynamics.states) != 2:
        raise DataError(f"a phase plane takes two states; {dynamics.name!r} has {len(dynamics.states)}: {', '.join(dynamics.states)}.")
    whole(2, n=n)
    whole(0, seed=seed)
    not_negative(reach=reach)
    refuse_driven(dynamics, "a phase plane")
    low, high, size = sampled_box(dynamics, seed)
    x, y = (np.linspace(low[i] - reach * size[i], high[i] + reach * size[i], n) for i in range(2))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return (dynamics.states[0], dynamics.states[1]), x, y, grid


def _corrected(dynamics: Dynamics, line: Array, component: int, mesh: Array) -> Array:
    """Move points by Newton's method, along the gradient in units of the mesh, to where the component vanishes."""
    moved = line
    for _ in range(_N_STEPS):
        slope = jacobians(dynamics, moved)[:, component] * mesh
        squared = (slope**2).sum(axis=1)
        rate = dynamics.rhs(0.0, moved)[:, component]
        step = np.divide(-rate, squared, out=np.zeros_like(rate), where=squared > 0)[:, None] * slope * mesh
        moved = moved + step
    near = np.asarray((np.abs(moved - line) <= mesh).all(axis=1))  # beyond the mesh the point belongs to something else
    return np.where(near[:, None], moved, line)
