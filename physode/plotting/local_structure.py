"""What a vector field does on the plane of two states, at its fixed points, and around its periodic orbits."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.errors import unknown_name
from physode.plotting.style import DATA_COLOUR, STYLES, TRUTH_COLOUR, axes_label, clean, finish, first_fit, members, new_axes

__all__ = ["plot_fixed_points", "plot_floquet", "plot_nullclines", "plot_phase_plane"]

_MARKERS = {"node": "o", "focus": "s", "saddle": "X", "saddle focus": "P", "centre": "D", "degenerate": "*"}
_N_ARROWS = 21
_OF_CURVES = ("component", "curve")


def plot_nullclines(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the result of `physode.analysis.nullclines`: the curves on which the rate of one state or of the other vanishes.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.nullclines`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, (data, of) = new_axes(ax), first_fit(data)
    first, second = (str(name) for name, points in data.data_vars.items() if points.dims == ("point",) and name not in _OF_CURVES)
    for style, name in zip(STYLES, (first, second), strict=False):
        own = data.isel(point=data["component"].values == name)
        for i, number in enumerate(np.unique(own["curve"].values)):
            line = own.isel(point=own["curve"].values == number)
            label = f"{clean(name)} does not change" if i == 0 else ""
            ax.plot(line[first].values, line[second].values, color=style.colour, linestyle=style.line, linewidth=1.6, label=label)
    return finish(ax, x=axes_label(data[first], first), y=axes_label(data[second], second), title=f"nullclines{of}")


def plot_fixed_points(data: xr.Dataset, ax: Axes | None = None, *, states: tuple[str, str] | None = None) -> Axes:
    """Mark fixed points in the plane of two states: the marker says the kind, and it is filled if nothing leaves the point.

    The axes are at least as wide as the box that the points were looked for around.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.fixed_points`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw, such as a phase portrait. Default: a new figure, which pyplot does not know.
    states : pair of str, optional
        Default: the first two.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        If there is no such state.
    """
    ax, (data, of) = new_axes(ax), first_fit(data)
    known = [
        str(name)
        for name, variable in data.data_vars.items()
        if variable.dims == ("fixed_point",) and name not in ("kind", "residual", "beyond")
    ]
    first, second = (known[0], known[1]) if states is None else states
    for name in (first, second):
        if name not in known:
            raise unknown_name("state", name, known)
    data = data.isel(fixed_point=data["kind"].values != "")  # others may have more of them
    kinds = data["kind"].values.astype(str)
    for kind in dict.fromkeys(kinds.tolist()):
        own = data.isel(fixed_point=kinds == kind)
        shape = kind.removeprefix("stable ").removeprefix("unstable ")
        filled = TRUTH_COLOUR if kind.startswith("stable") else "white"
        ax.plot(
            own[first].values,
            own[second].values,
            _MARKERS.get(shape, "o"),
            color=TRUTH_COLOUR,
            markerfacecolor=filled,
            markersize=8,
            linestyle="none",
            zorder=5,
            label=kind,
        )
    if len(kinds):
        shown = [data[name] for name in (first, second)]
        middle = np.array([float(points.min() + points.max()) / 2 for points in shown])
        half = np.array([float(points.attrs.get("size", 0.0)) / 2 for points in shown])
        ax.update_datalim([middle - half, middle + half])
        ax.autoscale_view()
    return finish(ax, x=axes_label(data[first], first), y=axes_label(data[second], second), title=f"fixed points{of}", fewest=1)


def plot_phase_plane(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the result of `physode.analysis.phase_plane`: arrows along the flow, over the divergence in colour.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.phase_plane`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, (data, of) = new_axes(ax), first_fit(data)
    second, first = (str(dim) for dim in data["divergence"].dims)
    for dim in (first, second):
        data = data.dropna(dim, how="all", subset=["divergence"])  # of several models each has a grid of its own
    x, y, spread = data[first].values, data[second].values, data["divergence"].values
    largest = float(np.abs(spread[np.isfinite(spread)]).max(initial=0.0)) or 1.0
    mesh = ax.pcolormesh(x, y, spread, cmap="PuOr", vmin=-largest, vmax=largest, shading="nearest", zorder=0)
    ax.figure.colorbar(mesh, ax=ax, label=axes_label(data["divergence"], "divergence"))
    rows, columns = (slice(None, None, max(1, -(-len(axis) // _N_ARROWS))) for axis in (y, x))
    u, v = (data[f"d{name}_dt"].values[rows, columns] / max(float(np.ptp(axis)), 1e-300) for name, axis in ((first, x), (second, y)))
    length = np.hypot(u, v)
    length[~(length > 0)] = 1.0
    ax.quiver(x[columns], y[rows], u / length, v / length, color=DATA_COLOUR, angles="uv", pivot="mid", scale=30, width=0.003, zorder=1)
    return finish(ax, x=axes_label(data[first], first), y=axes_label(data[second], second), title=f"flow and divergence{of}")


def plot_floquet(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw Floquet multipliers in the complex plane: inside the unit circle the orbit attracts, outside it repels.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.periodic_orbit`, or the multipliers of several along a dimension ``model``.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax)
    turn = np.linspace(0, 2 * np.pi, 201)
    ax.plot(np.cos(turn), np.sin(turn), "-", color=TRUTH_COLOUR, linewidth=0.8, zorder=0, label="neither attracts nor repels")
    for label, style, member in members(data):
        real, imaginary = member["multiplier_real"].values, member["multiplier_imag"].values
        text = (label or "multipliers") + ("" if np.isfinite(real).any() else ": no orbit found")
        ax.plot(real, imaginary, style.marker, color=style.colour, markersize=8, fillstyle="none", linestyle="none", label=text)
    ax.set_aspect("equal", adjustable="datalim")
    of = f" of {clean(data.attrs['dynamics'])}" if "dynamics" in data.attrs and "model" not in data.dims else ""
    return finish(ax, x="real part", y="imaginary part", title=f"Floquet multipliers{of}")
