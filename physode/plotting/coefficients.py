"""The equations that a network was turned into."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.plotting.style import STYLES, TRUTH_COLOUR, clean, finish, first_fit, new_axes

__all__ = ["plot_coefficients"]


def plot_coefficients(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the result of `physode.analysis.distill`: the coefficients of the terms that any equation uses.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.distill`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, (data, of) = new_axes(ax), first_fit(data)
    used = np.flatnonzero((data["coefficient"].fillna(0.0) != 0).any("state").values)
    terms = [clean(term) for term in data["term"].values[used].tolist()]
    states = data["state"].values[data["coefficient"].notnull().any("term").values].tolist()  # those of this model
    for i, state in enumerate(states):
        row, style = data["coefficient"].sel(state=state).values[used], STYLES[i % len(STYLES)]
        on = np.flatnonzero(np.nan_to_num(row))
        place = on + 0.15 * (i - (len(states) - 1) / 2)
        label = f"rate of {clean(state)}, R2 {float(data['r2'].sel(state=state)):.6f}"
        ax.plot(place, row[on], style.marker, color=style.colour, markersize=7, linestyle="none", label=label)
        ax.vlines(place, 0.0, row[on], color=style.colour, linewidth=1.0)
    ax.axhline(0.0, color=TRUTH_COLOUR, linewidth=0.8, zorder=0)
    ax.set_yscale("symlog", linthresh=1.0)
    ax.margins(y=0.1)
    ax.set_xticks(range(len(terms)), terms)
    ax.set_xlim(-0.5, max(len(terms), 1) - 0.5)
    return finish(ax, x="term", y="coefficient (in the units of rate over term)", title=f"equations{of}")
