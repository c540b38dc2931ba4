"""The velocity that a model found, over the true one."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes

from physode.errors import unknown_name
from physode.plotting.style import TRUTH_COLOUR, axes_label, clean, finish, members, new_axes, one

__all__ = ["plot_velocity"]


def plot_velocity(
    data: xr.Dataset, ax: Axes | None = None, *, state: str | None = None, trajectory: object = None, linear: bool = False
) -> Axes:
    """Draw the result of `physode.recovered_velocity` for one velocity of one trajectory.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.recovered_velocity`, or several of them along a dimension ``model``. Of several seeds the
        first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    state : str, optional
        Name of the velocity. Default: the first.
    trajectory : optional
        Label of the trajectory. Default: the first.
    linear : bool, default False
        Whether to draw the best linear map of the model's states instead of the raw velocity.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        If there is no such velocity.
    """
    known = [str(name) for name in data["state"].values]
    name = known[0] if state is None else state
    if name not in known:
        raise unknown_name("velocity", name, known)
    ax = new_axes(ax)
    true = one(one(one(data[f"{name}_true"], "model"), "seed"), "trajectory", trajectory)
    ax.plot(true["time"].values, true.values, "-", color=TRUTH_COLOUR, linewidth=0.8, zorder=4, label="true")
    kind = "linear" if linear else "recovered"
    for label, style, member in members(data):
        found = one(one(member[f"{name}_{kind}"], "seed"), "trajectory", trajectory)
        ax.plot(found["time"].values, found.values, color=style.colour, linestyle=style.line, linewidth=2.0, label=label or "recovered")
    title = f"{'best linear map to' if linear else 'recovered'} {clean(name)}"
    return finish(ax, x=axes_label(data["time"], "time"), y=axes_label(data[f"{name}_true"], name), title=title)
