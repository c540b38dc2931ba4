"""A state over time: what was measured, what is true, what was predicted."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.errors import unknown_name
from physode.plotting.style import DATA_COLOUR, FORECAST_COLOUR, TRUTH_COLOUR, axes_label, clean, finish, members, new_axes, one
from physode.trajectories import check_not_empty, state_names, true_states

__all__ = ["plot_trajectories"]

_MOST_POINTS: Final = 1000


def plot_trajectories(
    data: xr.Dataset,
    ax: Axes | None = None,
    *,
    predictions: xr.Dataset | None = None,
    state: str | None = None,
    trajectory: object = None,
) -> Axes:
    """Draw one state of one trajectory over time, with what models predict for it.

    Parameters
    ----------
    data : xarray.Dataset
        A record. Its measured values are dots, its true states, if known, a black line; the part marked "test" by a split
        in time is shaded.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    predictions : xarray.Dataset, optional
        Predictions on the record's coordinates, with the dimension ``model`` or without; over a dimension ``seed`` the median
        is a line and the range a band, of those seeds that are not lost (NaN). What goes farther from the record than the record is
        wide leaves the figure, and the legend says so.
    state : str, optional
        Default: the record's first state.
    trajectory : optional
        Label of the trajectory. Default: the first.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        If there is no such state.
    DataError
        If there is no such trajectory, or the record is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from physode.trajectories import from_numpy
    >>> time = np.linspace(0, 1, 5)
    >>> plot_trajectories(from_numpy(time, time**2, ["x"], units={"x": "m", "time": "s"})).get_ylabel()
    'x (m)'
    """
    check_not_empty(data)
    truth = true_states(data)
    hidden = [str(name) for name in truth.data_vars] if truth is not None else []
    known = list(dict.fromkeys([*state_names(data), *hidden]))
    name = known[0] if state is None else state
    if name not in known:
        raise unknown_name("state", name, known)
    ax, record = new_axes(ax), one(data, "trajectory", trajectory)
    time = record["time"].values
    _shade_forecast(ax, record, time)
    noisy = truth is not None and f"{name}_true" in data
    seen = []
    if name in record and (noisy or truth is None):
        seen.append(record[name].values)
        every = max(1, len(time) // _MOST_POINTS)
        ax.plot(time, seen[-1], ".", color=DATA_COLOUR, markersize=4, markevery=every, label="measured", zorder=1)
    if truth is not None:
        seen.append(one(truth, "trajectory", trajectory)[name].values)
        ax.plot(time, seen[-1], "-", color=TRUTH_COLOUR, linewidth=0.8, label="true", zorder=4)
    if predictions is not None and name in predictions:
        (bottom, top), cut = _view(np.concatenate(seen)), False
        for label, style, member in members(predictions):
            series = one(member[name], "trajectory", trajectory)
            low, middle, high = _over_seeds(series)
            leaves = bool((low < bottom).any() or (high > top).any())
            cut, text = cut or leaves, (label or "predicted") + ("\n(leaves the figure)" if leaves else "")
            ax.plot(time, middle, color=style.colour, linestyle=style.line, linewidth=2.0, label=text, zorder=3)
            if "seed" in series.dims:
                ax.fill_between(time, low, high, color=style.colour, alpha=0.2, linewidth=0, zorder=0)
        if cut:
            least, most = np.clip(ax.dataLim.intervaly, bottom, top)
            margin = 0.05 * (most - least)
            ax.set_ylim(max(least - margin, bottom), min(most + margin, top))
    shown = data[name] if name in data else truth[name] if truth is not None else data[name]
    where = f", trajectory {clean(record['trajectory'].item())}" if data.sizes["trajectory"] > 1 else ""
    return finish(ax, x=axes_label(data["time"], "time"), y=axes_label(shown), title=f"{clean(name)} over time{where}")


def _view(known: np.ndarray) -> tuple[float, float]:
    """Give the range of what is known with its width once more on either side; no bounds if that has none."""
    known = known[np.isfinite(known)]
    width = float(np.ptp(known)) if known.size else 0.0
    return (float(known.min()) - width, float(known.max()) + width) if width > 0 else (-np.inf, np.inf)


def _over_seeds(series: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the least, the middle and the largest of the seeds, as far as any of them goes."""
    if "seed" not in series.dims:
        return series.values, series.values, series.values
    return series.min("seed").values, series.median("seed").values, series.max("seed").values


def _shade_forecast(ax: Axes, record: xr.Dataset, time: np.ndarray) -> None:
    if "split" not in record.coords or record["split"].dims != record["time"].dims:
        return
    test = record["split"].values == "test"
    if test.any():
        ax.axvspan(
            float(time[test].min()), float(time[test].max()), color=FORECAST_COLOUR, linewidth=0, zorder=-1, label="not seen in training"
        )
