"""The numbers of a comparison as a tidy table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from physode.comparison.status import FAILED
from physode.errors import DataError

__all__ = ["summary"]

_FACTS = ("n_parameters", "seconds", "nfev", "solver_error")


def summary(tree: xr.DataTree) -> pd.DataFrame:
    """Turn a comparison into a tidy table, one row per model, seed and split.

    Parameters
    ----------
    tree : xarray.DataTree
        What `physode.compare` returned or `physode.comparison.open_result` read.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``seed``, ``split``, ``status``; ``n_parameters``, ``seconds``, ``nfev``, ``solver_error``; and one
        column per number of ``/metrics``, with ``_<state>`` behind the name where it is a number per state. Numbers have
        numeric types; what could not be computed is NaN, and a column that would hold nothing else is left out.

    Raises
    ------
    DataError
        If the tree has no ``/metrics`` and ``/models``.

    Examples
    --------
    >>> import physode
    >>> metrics = xr.Dataset({"rmse": (("model", "seed", "split", "state"), [[[[0.01], [0.02]]]])})
    >>> metrics = metrics.assign_coords(model=["node"], seed=[0], split=["train", "test"], state=["x"])
    >>> models = xr.Dataset({"status": (("model", "seed"), [["converged"]])}, {"model": ["node"], "seed": [0]})
    >>> summary(xr.DataTree.from_dict({"metrics": metrics, "models": models}))
      model  seed  split     status  rmse_x
    0  node     0  train  converged    0.01
    1  node     0   test  converged    0.02
    """
    missing = [name for name in ("metrics", "models") if name not in tree.children]
    if missing:
        raise DataError(f"this tree has no group {' and '.join('/' + name for name in missing)}; give what physode.compare returned.")
    metrics, models = tree["metrics"].to_dataset(), tree["models"].to_dataset()
    rows = []
    for model in metrics["model"].values:
        for seed in metrics["seed"].values:
            facts = models.sel(model=model, seed=seed)
            for split in metrics["split"].values:
                row: dict[str, object] = {
                    "model": str(model),
                    "seed": int(seed),
                    "split": str(split),
                    "status": str(facts["status"].item()),
                }
                row |= {name: float(facts[name]) for name in _FACTS if name in facts}
                rows.append(row | _numbers(metrics.sel(model=model, seed=seed), str(split)))
    table = pd.DataFrame(rows)
    ended = ~table["status"].isin(FAILED)
    if ended.any():
        table = table[[name for name in table.columns if table[name][ended].notna().any()]]
    for name in ("n_parameters", "nfev"):
        if name in table and np.isfinite(table[name]).all():
            table[name] = table[name].astype(np.int64)
    return table


def _numbers(metrics: xr.Dataset, split: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, variable in metrics.data_vars.items():
        part = variable.sel(split=split) if "split" in variable.dims else variable
        if not part.dims:
            found[str(name)] = float(part)
            continue
        (dim,) = part.dims
        for label in part[dim].values:
            found[f"{name}_{label}"] = float(part.sel({dim: label}))
    return found
