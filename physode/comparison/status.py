"""Fits that left nothing behind."""

import xarray as xr

__all__ = ["FAILED", "failures"]

FAILED = ("failed", "killed")
"""Statuses of a cell without a model: it raised, or its process died."""


def failures(tree: xr.DataTree) -> list[str]:
    """Tell each fit that failed in a line: model, seed, status and message."""
    models = tree["models"].to_dataset()
    cells = models[["status", "message"]].stack(cell=("model", "seed"))
    rows = zip(cells["cell"].values, cells["status"].values, cells["message"].values, strict=True)
    return [f"{model}, seed {seed}, {status}: {message}" for (model, seed), status, message in rows if status in FAILED]
