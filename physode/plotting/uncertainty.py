"""Bands of ensembles, and whether they cover what they say."""

from __future__ import annotations

from itertools import cycle, product

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from physode.errors import unknown_name
from physode.plotting.style import DATA_COLOUR, STYLES, TRUTH_COLOUR, axes_label, clean, finish, new_axes, one
from physode.trajectories import true_states

__all__ = ["plot_band", "plot_calibration"]


def plot_band(
    data: xr.Dataset, ax: Axes | None = None, *, record: xr.Dataset | None = None, state: str | None = None, trajectory: object = None
) -> Axes:
    """Draw the band of one state of one trajectory over time; of several levels the wider are the paler.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.prediction_band` or `physode.analysis.conformal`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    record : xarray.Dataset, optional
        The record: its measured values are dots, its true states, if known, a black line.
    state : str, optional
        Default: the band's first state.
    trajectory : optional
        Label of the trajectory. Default: the first.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        If there is no band of such a state.
    DataError
        If there is no such trajectory.
    """
    known = [str(name).removesuffix("_median") for name in data.data_vars if str(name).endswith("_median")]
    name = known[0] if state is None else state
    if name not in known:
        raise unknown_name("state", name, known)
    ax, band = new_axes(ax), one(data, "trajectory", trajectory)
    time, style = band["time"].values, STYLES[0]
    levels = np.sort(np.atleast_1d(band["level"].values))[::-1]
    for shade, level in zip(np.linspace(0.15, 0.45, len(levels)) if len(levels) > 1 else [0.25], levels, strict=True):
        own = band.sel(level=level) if "level" in band.dims else band
        low, high = (np.where(np.isfinite(end), end, np.nan) for end in (own[f"{name}_lower"].values, own[f"{name}_upper"].values))
        label = f"{100 * level:g} %{' of observations' if band.attrs.get('target') == 'observation' else ''}"
        ax.fill_between(time, low, high, color=_mixed(style.colour, shade), linewidth=0, zorder=0, label=label)
    ax.plot(time, band[f"{name}_median"].values, color=style.colour, linestyle=style.line, linewidth=1.6, zorder=3, label="middle")
    if record is not None:
        _draw_record(ax, record, name, trajectory)
    where = f", trajectory {clean(band['trajectory'].item())}" if data.sizes.get("trajectory", 1) > 1 else ""
    label = axes_label(band[f"{name}_median"], name)
    return finish(ax, x=axes_label(band["time"], "time"), y=label, title=f"band of {clean(name)}{where}")


def _mixed(colour: str, share: float) -> tuple[float, ...]:
    """Mix a colour with white: opaque, so that the legend shows the shades that nested bands have."""
    return tuple(1 - share + share * np.array(to_rgb(colour)))


def _draw_record(ax: Axes, record: xr.Dataset, name: str, trajectory: object) -> None:
    truth, row = true_states(record), one(record, "trajectory", trajectory)
    if name in row and (truth is None or f"{name}_true" in row):
        ax.plot(row["time"].values, row[name].values, ".", color=DATA_COLOUR, markersize=4, zorder=2, label="measured")
    if truth is not None and name in truth:
        true = one(truth, "trajectory", trajectory)[name].values
        ax.plot(row["time"].values, true, "-", color=TRUTH_COLOUR, linewidth=0.8, zorder=4, label="true")


def plot_calibration(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the coverage that was measured over the level that was stated, with bars of two standard errors to each side.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.coverage` for bands of several levels, or several of them along a dimension ``model``.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax)
    ax.plot([0, 1], [0, 1], color=TRUTH_COLOUR, linewidth=0.8, zorder=0, label="as stated")
    models = data["model"].values.tolist() if "model" in data.dims else [None]
    styles = cycle(STYLES)
    for model, state in product(models, data["state"].values.tolist()):
        found = data.sel(state=state) if model is None else data.sel(state=state, model=model)
        style = next(styles)
        ax.errorbar(
            np.atleast_1d(found["level"].values),
            np.atleast_1d(found["coverage"].values),
            yerr=2 * np.atleast_1d(found["standard_error"].values),
            color=style.colour,
            linestyle=style.line,
            marker=style.marker,
            markersize=4,
            capsize=2,
            label=clean(state if model is None else f"{model}: {state}"),
        )
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    of = clean(data.attrs.get("target", "truth"))
    return finish(ax, x="stated level", y="measured coverage", title=f"calibration of bands for the {of}, bars: 2 standard errors")
