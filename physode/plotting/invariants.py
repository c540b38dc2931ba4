"""What a flow keeps: drift of each conserved quantity, a learned energy against the true one, the search for unknown ones."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.plotting.style import DATA_COLOUR, STYLES, TRUTH_COLOUR, axes_label, clean, finish, first_fit, new_axes, one

__all__ = ["plot_invariant_drift", "plot_invariant_search", "plot_learned_energy"]


def plot_invariant_drift(data: xr.Dataset, ax: Axes | None = None, *, trajectory: object = None) -> Axes:
    """Draw the result of `physode.analysis.invariant_drift` for one trajectory: the change of each quantity, on its scale.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.invariant_drift`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    trajectory : optional
        Label of the trajectory. Default: the first.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, (data, of) = new_axes(ax), first_fit(data)
    time = data["time"].values
    for i, name in enumerate(data["invariant"].values.tolist()):
        found, style = one(data.isel(invariant=i), "trajectory", trajectory), STYLES[i % len(STYLES)]
        for kind, label in (("floor_value", "true system, same solver" if i == 0 else None), ("value", clean(name).replace("_", " "))):
            change = (found[kind] - found[kind].isel(time=0)) / found["scale"]
            if kind == "value":
                ax.plot(time, change.values, color=style.colour, linestyle=style.line, linewidth=2.0, label=label)
            else:
                ax.plot(time, change.values, "-", color=TRUTH_COLOUR, linewidth=0.8, zorder=4, label=label)
    return finish(ax, x=axes_label(data["time"], "time"), y="change / scale", title=f"conserved quantities{of} over time")


def plot_learned_energy(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the result of `physode.analysis.learned_energy`: the learned energy, mapped, over the true one.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.learned_energy`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, (data, of) = new_axes(ax), first_fit(data)
    true, mapped = data["energy_true"].values.ravel(), data["energy_mapped"].values.ravel()
    style = STYLES[0]
    ax.plot(true, mapped, style.marker, color=style.colour, markersize=3, linestyle="none", label="states of the record")
    ends = np.array([np.nanmin(true), np.nanmax(true)])
    ax.plot(ends, ends, "-", color=TRUTH_COLOUR, linewidth=0.8, label="equal")
    title = f"learned energy{of} times {float(data['slope']):.4g}, R2 {float(data['r2']):.5f}"
    return finish(ax, x=axes_label(data["energy_true"]), y=axes_label(data["energy_mapped"]), title=title)


def plot_invariant_search(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the result of `physode.analysis.find_invariant`: how slow the best sum of each degree is, beside fields that keep nothing.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.find_invariant`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, (data, of) = new_axes(ax), first_fit(data)
    degree = data["degree"].values
    null = data["null_ratio"].transpose("degree", "surrogate").values
    beside = np.repeat(degree[:, None] + 0.12, null.shape[1], axis=1)
    ax.plot(beside.ravel(), null.ravel(), "_", color=DATA_COLOUR, markersize=7, linestyle="none", label="rate, fields that keep nothing")
    for style, name, label in (
        (STYLES[0], "best_ratio", "rate over standard deviation"),
        (STYLES[1], "best_variation", "variation along trajectories"),
    ):
        ax.plot(degree, data[name].values, marker=style.marker, color=style.colour, linestyle=style.line, label=label)
    ax.set_yscale("log")
    ax.set_xticks(degree, [str(power) for power in degree.tolist()])
    n = int(data["n_independent"])
    title = f"{n} conserved quantit{'y' if n == 1 else 'ies'}{of}"
    return finish(ax, x="degree of the terms", y="change of the best sum", title=title)
