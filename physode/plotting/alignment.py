"""How alignment indices fall, or stay."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes

from physode.plotting.style import STYLES, TRUTH_COLOUR, axes_label, clean, finish, first_fit, new_axes, one

__all__ = ["plot_alignment_index"]


def plot_alignment_index(data: xr.Dataset, ax: Axes | None = None, *, order: int = 2) -> Axes:
    """Draw the result of `physode.analysis.alignment_index`: one index of each trajectory over time, on a logarithmic axis.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.alignment_index`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    order : int, default 2
        Which GALI.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If this order was not computed.
    """
    ax, (data, of) = new_axes(ax), first_fit(data)
    index = one(data, "order", order)["alignment_index"]
    labels = index["trajectory"].values.tolist()
    for i, label in enumerate(labels):
        style = STYLES[i % len(STYLES)]
        name = f"trajectory {clean(label)}" if len(labels) <= len(STYLES) else None  # more of them no legend can tell apart
        ax.plot(data["time"].values, index.isel(trajectory=i).values, color=style.colour, linestyle=style.line, linewidth=1.5, label=name)
    ax.axhline(float(data.attrs["threshold"]), color=TRUTH_COLOUR, linewidth=0.8, linestyle=":", label="zero")
    ax.set_yscale("log")
    return finish(ax, x=axes_label(data["time"]), y=f"GALI {order}", title=f"alignment index{of}: falls to zero where it is chaotic")
