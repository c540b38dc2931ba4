"""What a reader wants first: one line per model, the median and the range over the seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from physode.comparison.status import FAILED

__all__ = ["HEADINGS", "number", "overview", "overview_cells", "overview_text"]

_SIGNIFICANT = 3

HEADINGS = {
    "nrmse": "error / spread",
    "velocity_correlation": "velocity correlation",
    "velocity_nrmse": "velocity error / spread",
    "energy_drift": "energy drift",
    "lyapunov": "largest exponent",
    "seconds": "seconds",
    "n_parameters": "parameters",
    "fits": "fits",
}
"""What the columns of `overview` are called on the terminal and in the report."""


def overview(tree: xr.DataTree, split: str = "test") -> pd.DataFrame:
    """Aggregate over states and seeds: for each model the median of the fits that ended, and the range between seeds.

    Parameters
    ----------
    tree : xarray.DataTree
        A comparison.
    split : str, default "test"
        Which part of the record the errors are taken from.

    Returns
    -------
    pandas.DataFrame
        Index ``model``; for each number three columns ``(number, "median" | "min" | "max")``, and ``("fits", "done" | "all")``.
        Errors are root mean squares over the states, correlations the worst state. A fit whose forecast ran away has an infinite error.
    """
    metrics = tree["metrics"].to_dataset()
    models = tree["models"].to_dataset()
    part = metrics.sel(split=split) if metrics.data_vars else metrics
    numbers = {
        "nrmse": _root_mean_square(part, "nrmse"),
        "velocity_correlation": part["velocity_correlation"].min("state") if "velocity_correlation" in part else None,
        "velocity_nrmse": _root_mean_square(part, "velocity_nrmse"),
        "energy_drift": part.get("energy_drift"),
        "lyapunov": metrics["lyapunov_exponent"].isel(exponent=0) if "lyapunov_exponent" in metrics else None,
        "seconds": models.get("seconds"),
        "n_parameters": models.get("n_parameters"),
    }
    columns = {}
    for name, values in numbers.items():
        if values is None or bool(np.isnan(values).all()):
            continue
        for how in ("median", "min", "max"):
            columns[name, how] = getattr(values, how)("seed", skipna=True).to_series()
    done = xr.zeros_like(models["status"], dtype=bool).copy(data=~np.isin(models["status"].values, FAILED))
    columns["fits", "done"] = done.sum("seed").to_series()
    columns["fits", "all"] = xr.ones_like(done, dtype=np.int64).sum("seed").to_series()
    return pd.DataFrame(columns)


def _root_mean_square(part: xr.Dataset, name: str) -> xr.DataArray | None:
    return (part[name] ** 2).mean("state", skipna=True) ** 0.5 if name in part else None


def overview_text(tree: xr.DataTree) -> str:
    """Write the overview as lines for a terminal: ``median [smallest, largest]`` over the seeds.

    Parameters
    ----------
    tree : xarray.DataTree
        A comparison.

    Returns
    -------
    str
        One line per model under a heading.
    """
    cells = overview_cells(tree)
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def overview_cells(tree: xr.DataTree, split: str = "test") -> list[list[str]]:
    """Give the overview as rows of text, the heading first."""
    table = overview(tree, split)
    names = list(dict.fromkeys(table.columns.get_level_values(0)))
    rows = [["model", *(HEADINGS[str(name)] for name in names)]]
    for model, row in table.iterrows():
        rows.append([str(model), *(_cell(str(name), row) for name in names)])
    return rows


def _cell(name: str, row: pd.Series[float]) -> str:
    if name == "fits":
        return f"{int(row['fits', 'done'])}/{int(row['fits', 'all'])}"
    median, low, high = (row[name, how] for how in ("median", "min", "max"))
    if np.isnan(median):
        return "-"
    if low == high:
        return number(median)
    return f"{number(median)} [{number(low)}, {number(high)}]"


def number(value: float) -> str:
    """Write a number with three significant digits, more where it is close to one from below.

    Examples
    --------
    >>> [number(v) for v in (0.00012345, 12.345, 0.99987654, 1 - 3.2e-9, 1234567.0, 0.0)]
    ['0.000123', '12.3', '0.99988', '1 - 3.2e-09', '1.23e+06', '0']
    """
    if 0.99 < abs(value) < 1:
        return f"{value:.5f}" if value < 1 - 1e-5 else f"1 - {1 - value:.2g}"
    return f"{value:.{_SIGNIFICANT}g}"
