"""How the fits went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.plotting.style import axes_label, finish, members, new_axes

__all__ = ["plot_training"]


def plot_training(data: xr.Dataset | Mapping[str, Sequence[Any]], ax: Axes | None = None) -> Axes:
    """Draw the loss of fits over epochs, on a logarithmic axis.

    Parameters
    ----------
    data : xarray.Dataset or mapping
        ``loss`` over ``epoch``, with dimensions ``model`` and ``seed`` or without (one line for each seed); or the history of
        a fit, ``model.result_.history``.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> plot_training({"epoch": [0, 1, 2], "loss": [1.0, 0.1, 0.01]}).get_yscale()
    'log'
    """
    if not isinstance(data, xr.Dataset):
        data = xr.Dataset({"loss": ("epoch", np.asarray(data["loss"], dtype=np.float64))}, {"epoch": np.asarray(data["epoch"])})
    ax = new_axes(ax)
    ax.set_yscale("log")
    epoch = data["epoch"]
    for label, style, member in members(data):
        loss = member["loss"].transpose(..., "epoch").values.reshape(-1, epoch.size)
        for i, row in enumerate(loss):
            seen = np.isfinite(row) & (row > 0)
            name = label or "loss" if i == 0 else ""
            ax.plot(epoch.values[seen], row[seen], color=style.colour, linestyle=style.line, linewidth=1.2, label=name)
    return finish(ax, x=axes_label(epoch, "epoch"), y=axes_label(data["loss"], "loss"), title="loss during training")
