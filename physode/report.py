"""A result as one HTML page that needs nothing else: no script, no network, every string escaped."""

from __future__ import annotations

import base64
import json
import math
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import xarray as xr
from markupsafe import Markup

from physode.comparison.figures import Figure, draw_figures
from physode.comparison.files import open_result
from physode.comparison.folder import ResultFolder
from physode.comparison.forecast import split_kind
from physode.comparison.overview import number, overview_cells
from physode.comparison.status import FAILED
from physode.comparison.table import summary
from physode.comparison.trust import trust
from physode.trajectories import state_names, time_dim, times

__all__ = ["render", "write_report"]

_LIMIT = 1_900_000
"""Bytes of figures that a page may carry; the page stays below 2 MB."""

_LEVELS = {"good": "can be trusted within the record's range", "caution": "use with care", "poor": "do not use"}


def write_report(directory: str | os.PathLike[str]) -> Path:
    """Draw the figures of a finished comparison and write its page.

    Parameters
    ----------
    directory : path
        The folder that `physode.compare` wrote; it gets ``figures/*.svg`` and ``report.html``. Both are made anew from
        ``result.nc``; the bytes are the same each time.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    FileFormatError
        If the folder holds no result, or a damaged one.
    ExistsError
        If a file of that name is there that physode did not write.

    Examples
    --------
    >>> from physode.report import write_report
    >>> write_report("no-such-folder")
    Traceback (most recent call last):
    physode.errors.FileFormatError: no-such-folder is not there; give the netCDF file of a comparison, for example runs/pendulum/result.nc.
    """
    tree = open_result(directory)
    folder = ResultFolder(directory, force=True)
    figures = draw_figures(tree)
    contents = {f"figures/{figure.name}.svg": figure.svg for figure in figures}
    contents["report.html"] = render(tree, figures).encode()
    folder.write(contents, drop=[name for name in folder.owned() if name.startswith("figures/")])
    return folder.path / "report.html"


def render(tree: xr.DataTree, figures: Sequence[Figure] = ()) -> str:
    """Write the page of a comparison.

    Parameters
    ----------
    tree : xarray.DataTree
        A comparison.
    figures : sequence of Figure
        What to show; embedded as images, in which no script runs.

    Returns
    -------
    str
        HTML, at most 2 MB; the largest figures are left out, and said to be, where it would be more.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("physode", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    record = tree["observations"].to_dataset()
    models = tree["models"].to_dataset()
    labels = [str(label) for label in models["model"].values]
    source = str(record.attrs.get("system") or record.attrs.get("name") or record.attrs.get("source") or "a measured record")
    return environment.get_template("report.html").render(
        title=f"Comparison of {_listed(labels)} on {source}",
        lead=_lead(record, models),
        overview=[_overview(tree, split) for split in ("test", "train")],
        overview_note=(
            "Errors are root mean squares over the states, divided by the standard deviation of the observations. "
            "Each number is the median over the seeds; in brackets the smallest and the largest."
        ),
        verdicts=trust(tree),
        levels=_LEVELS,
        problems=list(_problems(models)),
        figures=_embedded(figures),
        fitted=list(_fitted(record, tree)),
        models=list(_models(models)),
        numbers=_numbers(summary(tree)),
        provenance=list(_provenance(tree)),
    )


def _printable(value: object) -> object:
    """Replace characters that change what is shown around them: controls, and marks that turn the direction of text."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t" else c for c in value)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(number_of: int, one: str, many: str = "") -> str:
    return f"{number_of} {one if number_of == 1 else many or one + 's'}"


def _lead(record: xr.Dataset, models: xr.Dataset) -> str:
    ended = int((~np.isin(models["status"].values, FAILED)).sum())
    total = models["status"].size
    fitted = int((record["split"] == "train").sum()) if split_kind(record) == "trajectory" else record.sizes["trajectory"]
    return (
        f"{_count(models.sizes['model'], 'model')} with {_count(models.sizes['seed'], 'seed')} each, fitted to "
        f"{_count(fitted, 'trajectory', 'trajectories')} of {_listed(state_names(record))}; "
        f"{ended} of {total} fits came to an end."
    )


def _overview(tree: xr.DataTree, split: str) -> dict[str, Any]:
    heading, *rows = overview_cells(tree, split)
    caption = {"test": "On held-out data", "train": "On the data that was fitted"}[split]
    return {"caption": caption, "headings": heading, "rows": [{"name": row[0], "cells": row[1:]} for row in rows]}


def _problems(models: xr.Dataset) -> Iterable[dict[str, str]]:
    for label in models["model"].values:
        for seed in models["seed"].values:
            facts = models.sel(model=label, seed=seed)
            where, status = f"{label}, seed {seed}", str(facts["status"].item())
            message = str(facts["message"].item())
            if status in FAILED or float(facts["success"]) != 1 or message.count(". "):
                yield {"where": where, "text": f"{status}: {message}"}
            for line in str(facts["warnings"].item()).splitlines() if "warnings" in facts else ():
                yield {"where": where, "text": line}


def _embedded(figures: Sequence[Figure]) -> list[dict[str, str]]:
    """Encode the figures, the largest of them left out if they are too many bytes together."""
    encoded = {figure.name: base64.b64encode(figure.svg).decode() for figure in figures}
    kept, total = set(), 0
    for figure in sorted(figures, key=lambda figure: len(encoded[figure.name])):
        total += len(encoded[figure.name])
        if total <= _LIMIT:
            kept.add(figure.name)
    return [
        {
            "title": figure.title,
            "caption": figure.caption,
            "alt": figure.alt,
            "file": f"figures/{figure.name}.svg",
            "data": encoded[figure.name] if figure.name in kept else "",
        }
        for figure in figures
    ]


def _fitted(record: xr.Dataset, tree: xr.DataTree) -> Iterable[tuple[str, str]]:
    names = state_names(record)
    yield "observed", "; ".join(_described(record[name]) for name in names)
    if "truth" in tree.children:
        hidden = [variable for name, variable in tree["truth"].data_vars.items() if name not in names]
        yield "hidden but known", "; ".join(map(_described, hidden)) or "nothing: every state was observed"
    grid = times(record)
    lengths = np.isfinite(grid).sum(axis=1)
    unit = record["time"].attrs.get("units", "")
    count = f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"
    kind = "the same times" if time_dim(record) == "time" else "times of their own"
    span = f"from {np.nanmin(grid):.6g} to {np.nanmax(grid):.6g} {unit}"
    yield "samples", f"{_count(record.sizes['trajectory'], 'trajectory', 'trajectories')} with {count} samples at {kind}, {span}"
    missing = int(sum(np.isnan(record[name].values[np.isfinite(grid)]).sum() for name in names))
    if missing:
        yield "missing", f"{missing} measurements"
    noise = [f"{name}: {number(float(record[f'{name}_noise_std'].max()))}" for name in names if f"{name}_noise_std" in record]
    if noise:
        yield "noise (standard deviation)", "; ".join(noise)
    test = int((record["split"] == "test").sum())
    if split_kind(record) == "trajectory":
        start = "their first quarter, or more where one of them was not measured in it"
        rest = f"their initial states are estimated from {start}; errors are those of the rest"
        yield "held out", f"{test} of {record.sizes['trajectory']} trajectories; {rest}"
    else:
        yield "held out", "the last part of the time; forecasts run on from the fitted part without a look at it"
    if "parameters" in tree.children:
        yield "true parameters", "; ".join(_valued(parameter) for parameter in tree["parameters"].data_vars.values())


def _described(variable: xr.DataArray) -> str:
    unit = str(variable.attrs.get("units", ""))
    words = ", ".join(str(part) for part in (variable.attrs.get("long_name"), variable.attrs.get("role")) if part)
    return f"{variable.name}{f' [{unit}]' if unit else ''}{f' ({words})' if words else ''}"


def _valued(parameter: xr.DataArray) -> str:
    low, high = float(parameter.min()), float(parameter.max())
    value = number(low) if low == high else f"{number(low)} to {number(high)}"
    return f"{parameter.name} = {value} {parameter.attrs.get('units', '')}".rstrip()


def _models(models: xr.Dataset) -> Iterable[dict[str, str]]:
    for label in models["model"].values:
        facts = models.sel(model=label)
        kinds = [str(kind) for kind in facts["registry_name"].values if kind] if "registry_name" in facts else []
        settings = [str(text) for text in facts["hyperparameters"].values if text] if "hyperparameters" in facts else []
        words = ", ".join(f"{name} = {value}" for name, value in json.loads(settings[0]).items()) if settings else ""
        yield {"name": str(label), "kind": kinds[0] if kinds else "unknown, every fit failed", "hyperparameters": words}


def _numbers(table: pd.DataFrame) -> dict[str, Any]:
    rows = [[_number_cell(value) for value in row] for row in table.itertuples(index=False, name=None)]
    return {"headings": [str(name) for name in table.columns], "rows": rows}


def _number_cell(value: object) -> dict[str, str | None]:
    if isinstance(value, str):
        return {"text": value, "value": None}
    if isinstance(value, (int, np.integer)):
        return {"text": str(value), "value": str(value)}
    exact = float(value)  # type: ignore[arg-type]
    return {"text": number(exact), "value": repr(exact)} if math.isfinite(exact) else {"text": "-", "value": None}


def _provenance(tree: xr.DataTree) -> Iterable[tuple[str, str]]:
    attrs: Mapping[Any, Any] = tree.attrs
    for name in sorted(attrs, key=lambda name: (name == "history", str(name))):
        value = attrs[name]
        yield str(name), ", ".join(map(str, np.atleast_1d(value).tolist())) if not isinstance(value, str) else value
