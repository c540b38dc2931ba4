"""How Lyapunov exponents settle as they are averaged, and how they are read off a series."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.errors import DataError
from physode.plotting.style import DATA_COLOUR, STYLES, TRUTH_COLOUR, axes_label, finish, first_fit, new_axes

__all__ = ["plot_exponent_history", "plot_series_exponent"]


def plot_exponent_history(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how the exponents of `physode.lyapunov_spectrum` settle, each with its final value and two standard errors.

    Parameters
    ----------
    data : xarray.Dataset
        The result of ``physode.lyapunov_spectrum(..., history=True)``. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If the history is not in the data.
    """
    if "running_exponent" not in data:
        raise DataError("these data hold no running_exponent; ask for it by lyapunov_spectrum(..., history=True).")
    ax, (found, of) = new_axes(ax), first_fit(data)
    time = data["time"].values
    ax.axhline(0.0, color=TRUTH_COLOUR, linewidth=0.8, zorder=0)
    for i, number in enumerate(found["exponent"].values.tolist()):
        style, member = STYLES[i % len(STYLES)], found.isel(exponent=i)
        ax.plot(
            time, member["running_exponent"].values, color=style.colour, linestyle=style.line, linewidth=1.5, label=f"exponent {number}"
        )
        final, error = float(member["lyapunov_exponent"]), 2 * float(member["standard_error"])
        ax.fill_between(time, final - error, final + error, color=style.colour, alpha=0.25, linewidth=0)
    return finish(
        ax,
        x=axes_label(data["time"]),
        y=axes_label(data["running_exponent"]),
        title=f"Lyapunov exponents{of} as they settle, bands: 2 standard errors",
    )


def plot_series_exponent(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the result of `physode.analysis.exponent_of_series`: the distance of neighbours, and the line that was fitted to it.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.exponent_of_series`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax)
    time, fitted = data["time"].values, np.isfinite(data["fit"].values)
    ax.plot(time, data["log_distance"].values, "-", color=DATA_COLOUR, linewidth=1.5, label="neighbours")
    slope = axes_label(data["largest_exponent"], f"slope {float(data['largest_exponent']):.3g} ± {float(data['standard_error']):.1g}")
    ax.plot(time[fitted], data["fit"].values[fitted], "--", color=STYLES[1].colour, linewidth=2.5, label=slope)
    ax.axhline(float(data.attrs["saturation"]), color=TRUTH_COLOUR, linewidth=0.8, linestyle=":", label="unrelated states")
    return finish(ax, x=axes_label(data["time"]), y=axes_label(data["log_distance"]), title="growth of the distance of neighbours")
