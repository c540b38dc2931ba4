"""How the energy changes that should not."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes

from physode.plotting.style import TRUTH_COLOUR, axes_label, finish, members, new_axes, one

__all__ = ["plot_energy"]


def plot_energy(data: xr.Dataset, ax: Axes | None = None, *, trajectory: object = None) -> Axes:
    """Draw the result of `physode.energy_drift` for one trajectory: the change of the energy, on the energy scale.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.energy_drift`, or several of them along a dimension ``model``. Of several seeds the first is
        drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    trajectory : optional
        Label of the trajectory. Default: the first.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax)
    time = data["time"].values
    if "floor_energy" in data:
        floor = one(one(one(data, "model"), "seed"), "trajectory", trajectory)
        change = (floor["floor_energy"] - floor["floor_energy"].isel(time=0)) / floor["scale"]
        ax.plot(time, change.values, "-", color=TRUTH_COLOUR, linewidth=0.8, zorder=4, label="true system, same solver")
    for label, style, member in members(data):
        found = one(one(member, "seed"), "trajectory", trajectory)
        change = (found["energy"] - found["energy"].isel(time=0)) / found["scale"]
        ax.plot(time, change.values, color=style.colour, linestyle=style.line, linewidth=2.0, label=label or "followed")
    return finish(ax, x=axes_label(data["time"], "time"), y="change of the energy / energy scale", title="energy over time")
