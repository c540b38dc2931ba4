"""Where a field goes in the long run: its periodic orbit, and how far its attractor is from the true one."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.errors import DataError
from physode.plotting.style import TRUTH_COLOUR, axes_label, clean, finish, members, new_axes, one

__all__ = ["plot_attractor_distance", "plot_orbit"]


def plot_orbit(data: xr.Dataset, ax: Axes | None = None, *, states: tuple[str, str] | None = None) -> Axes:
    """Draw the result of `physode.analysis.periodic_orbit`: the closed path in the plane of two states, and its period.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.periodic_orbit`, or several along a dimension ``model``. Of several seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    states : tuple of str, optional
        The two states. Default: the first two.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If there are not two states over time.
    """
    found = tuple(str(name) for name, variable in data.data_vars.items() if "time" in variable.dims) if states is None else states
    missing = [name for name in found[:2] if name not in data]
    if len(found) < 2 or missing:
        raise DataError(f"an orbit is drawn in the plane of two states; found {', '.join(map(str, data.data_vars))}.")
    ax = new_axes(ax)
    for label, style, member in members(data):
        path = one(member, "seed")
        text = (
            f"{label or 'orbit'}, period {float(path['period']):.4g}" if np.isfinite(path["period"]) else f"{label or 'orbit'}: none found"
        )
        ax.plot(path[found[0]].values, path[found[1]].values, linestyle=style.line, color=style.colour, label=text)
    of = f" of {clean(data.attrs['dynamics'])}" if "dynamics" in data.attrs and "model" not in data.dims else ""
    return finish(ax, x=axes_label(data[found[0]], found[0]), y=axes_label(data[found[1]], found[1]), title=f"periodic orbit{of}")


def plot_attractor_distance(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the result of `physode.analysis.attractor_distance`: each distance, above what the truth differs from itself.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.attractor_distance`, or several along a dimension ``model``. Of several seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
        Logarithmic; the floors are short black lines.
    """
    ax, drawn = new_axes(ax), list(members(data))
    names = ["state space", *(f"spectrum of {clean(state)}" for state in data["state"].values)]
    at = np.arange(len(names))
    for i, (label, style, member) in enumerate(drawn):
        found = one(member, "seed")
        distance, floor = (np.append(found[f"state_space_divergence{end}"], found[f"spectrum_distance{end}"]) for end in ("", "_floor"))
        beside = at + 0.2 * (i - (len(drawn) - 1) / 2)
        ax.plot(beside, distance, style.marker, color=style.colour, linestyle="none", markersize=7, label=label or "model")
        ax.plot(beside, floor, "_", color=TRUTH_COLOUR, markersize=14, label="truth from itself" if i == 0 else None)
    ax.set_yscale("log")
    ax.set_xticks(at, names)
    ax.set_xlim(-0.6, len(names) - 0.4)
    return finish(ax, x="", y="distance from the truth", title="long-term distances")
