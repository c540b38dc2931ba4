"""Lyapunov exponents with their errors."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.plotting.style import TRUTH_COLOUR, axes_label, clean, finish, members, new_axes, one

__all__ = ["plot_exponents"]


def plot_exponents(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the result of `physode.lyapunov_spectrum`, with bars of two standard errors to each side.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.lyapunov_spectrum`, or several of them along a dimension ``model``. Of several seeds the first
        is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax)
    ax.axhline(0.0, color=TRUTH_COLOUR, linewidth=0.8, zorder=0)
    drawn = list(members(data))
    number = data["exponent"].values.astype(float)
    for i, (label, style, member) in enumerate(drawn):
        found = one(member, "seed")
        beside = number + 0.15 * (i - (len(drawn) - 1) / 2)
        ax.errorbar(
            beside,
            found["lyapunov_exponent"].values,
            yerr=2 * found["standard_error"].values,
            color=style.colour,
            marker=style.marker,
            markersize=6,
            linestyle="none",
            capsize=3,
            label=label,
        )
    ax.set_xticks(number, [f"{n:g}" for n in number])
    ax.set_xlim(float(np.min(number)) - 0.5, float(np.max(number)) + 0.5)
    of = f" of {clean(data.attrs['dynamics'])}" if "dynamics" in data.attrs and len(drawn) == 1 else ""
    return finish(ax, x="exponent", y=axes_label(data["lyapunov_exponent"]), title=f"Lyapunov exponents{of}, bars: 2 standard errors")
