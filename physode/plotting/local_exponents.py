"""How local Lyapunov exponents are distributed."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.plotting.style import STYLES, TRUTH_COLOUR, axes_label, clean, finish, first_fit, new_axes

__all__ = ["plot_local_exponents"]


def plot_local_exponents(data: xr.Dataset, ax: Axes | None = None, *, bins: int = 50) -> Axes:
    """Draw the result of `physode.analysis.local_exponents`: a density for each exponent, and a line at its mean.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.local_exponents`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    bins : int, default 50
        Of each density, over the range of the exponent's values.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, (found, of) = new_axes(ax), first_fit(data)
    ax.axvline(0.0, color=TRUTH_COLOUR, linewidth=0.8, zorder=0)
    for i, number in enumerate(found["exponent"].values.tolist()):
        style = STYLES[i % len(STYLES)]
        values = found["local_exponent"].isel(exponent=i).values.ravel()
        density, edges = np.histogram(values[np.isfinite(values)], bins=bins, density=True)
        ax.stairs(density, edges, color=style.colour, linestyle=style.line, linewidth=1.5, label=f"exponent {number}")
        ax.axvline(float(found["lyapunov_exponent"].isel(exponent=i)), color=style.colour, linestyle=style.line, linewidth=0.8)
    units = str(data["time"].attrs.get("units", ""))
    window = f"{float(found.attrs['window']):.3g} {clean(units)}" if units not in ("", "1") else f"{float(found.attrs['window']):.3g}"
    return finish(
        ax,
        x=axes_label(data["local_exponent"]),
        y="density",
        title=f"Lyapunov exponents{of} over windows of {window}, lines: means",
    )
