"""What hidden states mean: maps to the velocity, agreement between seeds, dimensions, the theoretical form."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physode.errors import unknown_name
from physode.plotting.style import STYLES, TRUTH_COLOUR, axes_label, clean, finish, first_fit, members, new_axes, one

__all__ = ["plot_anode_theory", "plot_augmented_velocity", "plot_latent_agreement", "plot_latent_dimension"]

_LOWEST_R2 = -1.0


def plot_augmented_velocity(data: xr.Dataset, ax: Axes | None = None, *, state: str | None = None) -> Axes:
    """Draw the result of `physode.analysis.augmented_velocity` for one velocity: R2 without a map, and after linear and smooth ones.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.augmented_velocity`, or several of them along dimensions ``model`` and ``seed``; every seed is
        drawn. What lies below -1 is drawn at -1, with an open marker.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    state : str, optional
        Name of the velocity. Default: the first.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        If there is no such velocity.
    """
    known = [str(name) for name in data["state"].values]
    name = known[0] if state is None else state
    if name not in known:
        raise unknown_name("velocity", name, known)
    ax = new_axes(ax)
    columns = ["as it is"] + [f"{kind} map of\n{part}" for part in data["part"].values.tolist() for kind in ("linear", "smooth")]
    drawn = list(members(data.sel(state=name)))
    for i, (label, style, member) in enumerate(drawn):
        series = [member["r2_direct"]]
        series += [member[f"r2_{kind}"].sel(part=part) for part in data["part"].values for kind in ("linear", "smooth")]
        for x, values in enumerate(np.atleast_1d(column.values) for column in series):
            place = np.full(len(values), x + 0.15 * (i - (len(drawn) - 1) / 2))
            low = values < _LOWEST_R2
            text = (label or "R2") if x == 0 else None
            ax.plot(place[~low], values[~low], style.marker, color=style.colour, markersize=6, linestyle="none", label=text)
            ax.plot(place[low], np.full(low.sum(), _LOWEST_R2), style.marker, color=style.colour, markerfacecolor="none", linestyle="none")
    ax.axhline(1.0, color=TRUTH_COLOUR, linewidth=0.8, zorder=0)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_ylim(_LOWEST_R2 - 0.1, 1.1)
    return finish(ax, x="hidden state", y=f"R2 with the true {clean(name)}", title=f"is the hidden state the velocity {clean(name)}?")


def plot_latent_agreement(data: xr.Dataset, ax: Axes | None = None, *, number: str = "procrustes") -> Axes:
    """Draw one number of the result of `physode.analysis.latent_agreement` for each pair of seeds, with its value.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.latent_agreement`. Of several models the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.
    number : {"procrustes", "difference", "r2_linear", "canonical_correlation"}, default "procrustes"
        Which number; of the canonical correlations the first.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        If there is no such number.
    """
    if number not in data.data_vars:
        raise unknown_name("number", number, [str(name) for name in data.data_vars])
    ax = new_axes(ax)
    table = one(one(data[number], "model"), "component").transpose("seed", "other_seed")
    high = max(1.0, float(table.max()))
    ax.imshow(table.values, cmap="cividis", vmin=0.0, vmax=high)
    for i, row in enumerate(table.values):
        for j, value in enumerate(row):
            ax.text(
                j,
                i,
                f"{value:.2f}" if value >= 0.005 or value == 0 else f"{value:.0e}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if value < high / 2 else "black",
            )
    of = f", {clean(data['model'].values[0])}" if "model" in data.dims else ""
    seeds = [str(seed) for seed in data["seed"].values.tolist()]
    ax.set_xticks(range(len(seeds)), seeds)
    ax.set_yticks(range(len(seeds)), seeds)
    return finish(ax, x="other seed", y="seed", title=f"{table.attrs['long_name']}{of}")


def plot_latent_dimension(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the result of `physode.analysis.latent_dimension`: the fraction of the variance along each direction.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.latent_dimension`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, (data, of) = new_axes(ax), first_fit(data)
    component = data["component"].values
    for style, part in zip(STYLES, data["part"].values.tolist(), strict=False):
        found = data.sel(part=part)
        label = f"{clean(part)}: {float(found['participation_ratio']):.2f} used"
        variance = found["explained_variance"].values
        ax.plot(component, variance, marker=style.marker, color=style.colour, linestyle=style.line, label=label)
    ax.set_xticks(component)
    ax.set_ylim(0.0, 1.05)
    return finish(ax, x="direction", y=axes_label(data["explained_variance"]), title=f"dimensions that the trajectories{of} use")


def plot_anode_theory(data: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the result of `physode.analysis.anode_theory`: the augmented state of each trajectory under its theoretical form.

    Parameters
    ----------
    data : xarray.Dataset
        The result of `physode.analysis.anode_theory`. Of several models or seeds the first is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure, which pyplot does not know.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, (data, of) = new_axes(ax), first_fit(data)
    for i, label in enumerate(data["trajectory"].values.tolist()):
        found, style = data.isel(trajectory=i), STYLES[i % len(STYLES)]
        time = found["time"].values
        if "augmented_learned" in data:
            text = f"learned, trajectory {clean(label)}"
            ax.plot(time, found["augmented_learned"].values, color=style.colour, linestyle=style.line, linewidth=2.0, label=text)
        caption = "theoretical form" if i == 0 else None
        ax.plot(time, found["augmented_theory"].values, "-", color=TRUTH_COLOUR, linewidth=0.8, zorder=4, label=caption)
    known = f", R2 {float(data['r2']):.3f}" if np.isfinite(data["r2"]) else ""
    title = f"augmented state{of} and its theoretical form{known}"
    return finish(ax, x=axes_label(data["time"], "time"), y=axes_label(data["augmented_theory"], "augmented state"), title=title)
