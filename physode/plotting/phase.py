"""Two states against each other."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr
from matplotlib.axes import Axes

from physode.errors import DataError, unknown_name
from physode.plotting.style import DATA_COLOUR, TRUTH_COLOUR, Style, axes_label, clean, finish, members, new_axes, one
from physode.trajectories import state_names, time_dim, true_states

__all__ = ["plot_phase_portrait"]

_PLOTTED = ("position", "velocity", "momentum", "state", "augmented")


def plot_phase_portrait(
    data: xr.Dataset, ax: Axes | None = None, *, states: Sequence[str] | None = None, truth: xr.Dataset | None = None
) -> Axes:
    """Draw the trajectories of a record or of predictions in the plane of two states; a cross marks where they start.

    Parameters
    ----------
    data : xarray.Dataset
        A record (its true states are drawn, if known), or predictions, with a dimension ``model`` or without. Of several
        seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    states : pair of str, optional
        Default: the first position and its velocity or momentum, else the first two states; of those that `truth` holds too, if
        it holds two.
    truth : xarray.Dataset, optional
        A record whose true states are drawn in black below; where none are known, its measured ones as dots.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If there are no two states.

    Examples
    --------
    >>> import numpy as np
    >>> from physode.trajectories import from_numpy
    >>> angle = np.linspace(0, 6, 50)
    >>> circle = from_numpy(angle, np.stack([np.cos(angle), np.sin(angle)], axis=1), ["x", "y"], units={"y": "m"})
    >>> plot_phase_portrait(circle).get_ylabel()
    'y (m)'
    """
    marked = any(variable.attrs.get("role") == "truth" for variable in data.data_vars.values())
    known = true_states(data) if marked else None
    shown = data if known is None else known
    true = None if truth is None else true_states(truth)
    below = xr.Dataset() if truth is None else truth[state_names(truth)] if true is None else true
    shared = [name for name in shown.data_vars if name in below]
    first, second = _pair(shown[shared] if states is None and len(shared) > 1 else shown, states)
    ax = new_axes(ax)
    if first in below and second in below and true is None:
        ax.plot(below[first].values.ravel(), below[second].values.ravel(), ".", color=DATA_COLOUR, markersize=4, label="measured", zorder=1)
    elif first in below and second in below:
        _draw(ax, below, first, second, Style(TRUTH_COLOUR, "-", "x"), "true", 0.8, 3)
    for label, style, member in members(shown):
        _draw(ax, one(member, "seed"), first, second, style, label or ("predicted" if truth is not None else ""), 1.6, 2)
    title = f"{clean(second)} against {clean(first)}"
    return finish(ax, x=axes_label(shown[first]), y=axes_label(shown[second]), title=title)


def _draw(ax: Axes, states: xr.Dataset, first: str, second: str, style: Style, label: str, width: float, zorder: int) -> None:
    dims = ("trajectory", time_dim(states))
    xs, ys = states[first].transpose(*dims).values, states[second].transpose(*dims).values
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        ax.plot(x, y, color=style.colour, linestyle=style.line, linewidth=width, zorder=zorder, label=label if i == 0 else "")
        ax.plot(x[:1], y[:1], "x", color=style.colour, markersize=5, zorder=zorder)


def _pair(shown: xr.Dataset, states: Sequence[str] | None) -> tuple[str, str]:
    known = [str(name) for name, variable in shown.data_vars.items() if variable.attrs.get("role") in _PLOTTED]
    if states is not None:
        for name in states:
            if name not in known:
                raise unknown_name("state", name, known)
        if len(states) != 2:
            raise DataError(f"a phase portrait takes two states; found {len(states)}: {', '.join(states)}.")
        return states[0], states[1]
    for name in known:
        for of in ("time_derivative_of", "conjugate_to"):
            if shown[name].attrs.get(of) in known:
                return str(shown[name].attrs[of]), name
    if len(known) < 2:
        raise DataError(f"a phase portrait takes two states; the data hold {', '.join(known) or 'none'}.")
    return known[0], known[1]
