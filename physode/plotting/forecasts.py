"""Forecast errors against their horizon."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.errors import unknown_name
from physode.plotting.style import DATA_COLOUR, TRUTH_COLOUR, axes_label, clean, finish, members, new_axes, one

__all__ = ["plot_forecast_error"]


def plot_forecast_error(data: xr.Dataset, ax: Axes | None = None, *, state: str | None = None) -> Axes:
    """Draw the error of forecasts over their horizon, in standard deviations, with the threshold up to which they count as valid.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.forecast_error` or `physode.analysis.baselines`, or several of them along a dimension ``model``. Of several
        seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    state : str, optional
        Default: the root mean square over all states.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        If there is no such state.
    """
    known = [str(name) for name in data["state"].values]
    if state is not None and state not in known:
        raise unknown_name("state", state, known)
    ax = new_axes(ax)
    horizon = data["time"].values
    drawn = list(members(data))
    for label, style, member in drawn:
        error = _error(one(member, "seed")["nrmse"], state)
        ax.plot(horizon, error, color=style.colour, linestyle=style.line, linewidth=2.0, label=label or "forecast")
    if "persistence" not in [label for label, _, _ in drawn]:
        still = _error(one(one(data["persistence_nrmse"], "model"), "seed"), state)
        ax.plot(horizon, still, "-", color=TRUTH_COLOUR, linewidth=0.8, label="nothing changes")
    if "threshold" in data.attrs:
        ax.axhline(float(data.attrs["threshold"]), color=DATA_COLOUR, linestyle=":", linewidth=1.0, zorder=0, label="threshold")
    ax.set_yscale("log")
    of = "all states" if state is None else clean(state)
    return finish(ax, x=axes_label(data["time"], "horizon"), y="error / standard deviation", title=f"forecast error of {of}")


def _error(nrmse: xr.DataArray, state: str | None) -> np.ndarray:
    """One curve; what is zero or infinite has no place on a logarithmic axis."""
    curve = ((nrmse**2).mean("state") ** 0.5 if state is None else nrmse.sel(state=state)).values
    return np.where(np.isfinite(curve) & (curve > 0), curve, np.nan)
