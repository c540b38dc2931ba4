"""Finished cells become one tree, beside the record and the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import xarray as xr

from physode.analysis.side_by_side import side_by_side
from physode.comparison.cell import Cell, read_cell
from physode.comparison.metrics import SPLITS
from physode.comparison.pool import Outcome
from physode.comparison.truth import Truth
from physode.trajectories import parameter_names, provenance

__all__ = ["assemble"]

_GROUPS = ("predictions", "vector_field", "velocity", "energy", "training", "metrics", "models")


def assemble(
    cells: Sequence[Cell], outcomes: Mapping[str, Outcome], record: xr.Dataset, truth: Truth, root: str, settings: Mapping[str, object]
) -> xr.DataTree:
    """Build the tree of a comparison from the disk.

    Parameters
    ----------
    cells : sequence of Cell
        All that were asked for.
    outcomes : mapping of str to Outcome
        How each configuration ended, by the cell's id.
    record : xarray.Dataset
        The record, with its coordinate ``split``.
    truth : Truth
        What is known of the truth.
    root : str
        Folder of the cell store.
    settings : mapping
        What the comparison was asked, as JSON values.

    Returns
    -------
    xarray.DataTree
        Groups ``/observations /truth /parameters /predictions /vector_field /velocity /energy /training /metrics /models``; a
        group about the truth (``/truth /parameters /velocity /energy``) is absent when it is unknown.
    """
    models = list(dict.fromkeys(cell.label for cell in cells))
    seeds = list(dict.fromkeys(cell.seed for cell in cells))
    parts: dict[str, dict[tuple[str, int], xr.Dataset]] = {name: {} for name in _GROUPS}
    for cell in cells:
        key, outcome = (cell.label, cell.seed), outcomes[cell.id]
        if outcome.status != "done":
            parts["models"][key] = xr.Dataset({name: ((), text) for name, text in _failure(cell, outcome).items()})
            continue
        for name, group in read_cell(cell, root).items():
            parts[name][key] = group
    groups = {name: side_by_side(parts[name], models, seeds) for name in _GROUPS}
    for name in ("velocity", "energy"):
        if not parts[name]:
            del groups[name]
    groups["metrics"] = groups["metrics"].assign_coords(split=list(SPLITS))
    tree = {"observations": record}
    if truth.states is not None:
        tree["truth"] = truth.states.drop_attrs(deep=False)
    if parameter_names(record):
        tree["parameters"] = record[parameter_names(record)].drop_vars("split", errors="ignore").drop_attrs(deep=False)
    attrs = provenance("compare " + ", ".join(models), before=record.attrs, comparison=json.dumps(settings, sort_keys=True))
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **{f"/{name}": ds for name, ds in (tree | groups).items()}})


def _failure(cell: Cell, outcome: Outcome) -> dict[str, str]:
    return {"status": outcome.status, "message": outcome.message, "cell": cell.id}
