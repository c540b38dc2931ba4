"""The figures of a comparison, each with the sentence that says what it shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from physode import plotting
from physode.comparison.forecast import split_kind
from physode.comparison.overview import number, overview
from physode.comparison.replay import ENERGY_HORIZON
from physode.comparison.status import FAILED
from physode.plotting.style import clean
from physode.trajectories import state_names

__all__ = ["Figure", "draw_figures"]

_MOST_STATES, _MOST_PATHS, _MOST_COLUMNS = 4, 5, 3


@dataclass(frozen=True)
class Figure:
    """A drawn figure.

    Attributes
    ----------
    name : str
        Of the file, without suffix.
    title, caption, alt : str
        For the page; `alt` says in a sentence what is seen, with the numbers that matter.
    svg : bytes
        The same each time it is drawn.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: bytes


def draw_figures(tree: xr.DataTree) -> list[Figure]:
    """Draw what a comparison holds: trajectories with forecast, phase portraits, velocities, energy, exponents, training curves.

    Parameters
    ----------
    tree : xarray.DataTree
        A comparison.

    Returns
    -------
    list of Figure
        Models whose fits all failed are left out; nothing is drawn that was not computed.
    """
    models = tree["models"].to_dataset()
    ended = ~np.isin(models["status"].values, FAILED)
    shown = [str(label) for label, row in zip(models["model"].values, ended, strict=True) if row.any()]
    if not shown:
        return []
    picked = _Shown(tree, shown, ended)
    return [figure for part in (_trajectories, _phase, _velocity, _energy, _exponents, _training) for figure in part(picked)]


class _Shown:
    """The part of a tree that has something to show."""

    def __init__(self, tree: xr.DataTree, models: Sequence[str], ended: np.ndarray) -> None:
        self.tree, self.models = tree, list(models)
        self.record = tree["observations"].to_dataset()
        rows = np.flatnonzero(ended.any(axis=1))
        self._seeds = {
            label: np.where(ended[row], np.arange(ended.shape[1]), ended[row].argmax()) for label, row in zip(models, rows, strict=True)
        }
        held_out = np.flatnonzero(self.record["split"].values == "test") if split_kind(self.record) == "trajectory" else np.arange(1)
        self.paths = self.record["trajectory"].values[held_out[:_MOST_PATHS]]

    def group(self, name: str) -> xr.Dataset:
        """Give a group with the models that ended; a seed that failed shows its model's first good one."""
        ds = self.tree[name].to_dataset()
        parts = []
        for label in self.models:
            part = ds.sel(model=[label])
            parts.append(part.isel(seed=self._seeds[label]).assign_coords(seed=ds["seed"].values))
        return xr.concat(parts, "model", join="exact", coords="minimal", compat="override", data_vars="all")

    def has(self, name: str) -> bool:
        """Say whether there is such a group with anything in it."""
        return name in self.tree.children and bool(self.tree[name].data_vars)

    def listed(self, name: str) -> str:
        """List the models with their number from the overview."""
        table = overview(self.tree)
        if (name, "median") not in table:
            return ", ".join(self.models)
        medians = table[name, "median"].to_dict()
        return ", ".join(f"{label} {number(medians[label])}" for label in self.models)


def _trajectories(shown: _Shown) -> Iterator[Figure]:
    predictions = shown.group("predictions")
    label = shown.paths[0]
    held = "a held-out trajectory" if split_kind(shown.record) == "trajectory" else "the shaded part was not seen in training"
    for i, state in enumerate(state_names(shown.record)[:_MOST_STATES]):
        axes = plotting.plot_trajectories(shown.record, predictions=predictions, state=state, trajectory=label)
        yield Figure(
            f"trajectories-{i + 1}",
            f"{state} over time",
            f"Lines are the median over the seeds, bands their range; {held}.",
            f"{state} over time, trajectory {label}: what was measured and what each model predicts. "
            f"Error over spread on held-out data: {shown.listed('nrmse')}.",
            _svg(axes.figure),
        )


def _phase(shown: _Shown) -> Iterator[Figure]:
    predictions = shown.group("predictions").sel(trajectory=shown.paths)
    record = shown.record.sel(trajectory=shown.paths)
    held = {label: predictions.sel(model=label).isel(seed=0) for label in shown.models}
    own = {label: member[[name for name in member.data_vars if member[name].notnull().any()]] for label, member in held.items()}
    drawn = {label: member for label, member in own.items() if len(member.data_vars) > 1}
    if not drawn:
        return
    columns = min(len(drawn), _MOST_COLUMNS)
    rows = -(-len(drawn) // columns)
    canvas = Canvas(figsize=(3.2 * columns, 3.2 * rows), layout="constrained")
    below: set[str] = set()
    for i, (label, member) in enumerate(drawn.items()):
        axes = plotting.plot_phase_portrait(member, canvas.add_subplot(rows, columns, i + 1), truth=record)
        axes.set_title(clean(label), fontsize=11)
        below.update(axes.get_legend_handles_labels()[1])
        if (legend := axes.get_legend()) is not None:
            legend.remove()
    over = ", over the truth (black)" if "true" in below else ", over the measured values (dots)" if "measured" in below else ""
    yield Figure(
        "phase-portrait",
        "Phase portrait",
        f"Two states that belong together, of the first seed{over}; crosses mark the beginnings. "
        "A hidden state of a model's own has nothing to be compared with.",
        f"Phase portraits of {', '.join(drawn)}{over}.",
        _svg(canvas),
    )


def _velocity(shown: _Shown) -> Iterator[Figure]:
    if not shown.has("velocity"):
        return
    found = shown.group("velocity")
    for i, state in enumerate(found["state"].values[:_MOST_STATES]):
        axes = plotting.plot_velocity(found, state=str(state), trajectory=shown.paths[0])
        yield Figure(
            f"velocity-{i + 1}",
            f"Recovered {state}",
            "The velocity that each model holds (an augmented model: its augmented state), first seed, against the true one.",
            f"Recovered and true {state} of trajectory {shown.paths[0]}. "
            f"Error over spread on held-out data: {shown.listed('velocity_nrmse')}.",
            _svg(axes.figure),
        )


def _energy(shown: _Shown) -> Iterator[Figure]:
    if not shown.has("energy"):
        return
    axes = plotting.plot_energy(shown.group("energy"))
    yield Figure(
        "energy",
        "Energy over time",
        f"The true system's energy along the learned dynamics, for {ENERGY_HORIZON:g} times the length of the record; first seed.",
        f"Change of the energy over time. Largest drift over the energy scale, median over seeds: {shown.listed('energy_drift')}.",
        _svg(axes.figure),
    )


def _exponents(shown: _Shown) -> Iterator[Figure]:
    if "lyapunov_exponent" not in shown.tree["metrics"].data_vars:
        return
    found = shown.group("metrics").rename(lyapunov_standard_error="standard_error")
    axes = plotting.plot_exponents(found[["lyapunov_exponent", "standard_error"]])
    yield Figure(
        "lyapunov-exponents",
        "Largest Lyapunov exponent",
        "Of the learned dynamics, first seed; bars are two standard errors.",
        f"Largest Lyapunov exponents, median over seeds: {shown.listed('lyapunov')}.",
        _svg(axes.figure),
    )


def _training(shown: _Shown) -> Iterator[Figure]:
    axes = plotting.plot_training(shown.group("training"))
    yield Figure(
        "training",
        "Training",
        "The loss of each fit; a step marks longer windows, over which the loss is another one.",
        f"Loss during training. Seconds per fit, median over seeds: {shown.listed('seconds')}.",
        _svg(axes.figure),
    )


def _svg(canvas: object) -> bytes:
    return plotting.svg_bytes(cast("Canvas", canvas))
