"""The numbers of a comparison as a tidy table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from physode.comparison.status import FAILED
from physode.errors import DataError

__all__ = ["summary"]

_FACTS = ("n_parameters", "seconds", "nfev", "solver_error")


_MOST_LABELS = 12  # longer dimensions are series, not numbers for a table


def summary(tree: xr.DataTree, **analyses: xr.Dataset) -> pd.DataFrame:
    """Turn a comparison, and what was found of its models since, into a tidy table, one row per model, seed and split.

    Parameters
    ----------
    tree : xarray.DataTree
        What `physode.compare` returned or `physode.comparison.open_result` read.
    **analyses : xarray.Dataset
        Results of analyses over ``model`` and ``seed`` (of what `physode.comparison.fitted_models` loads). Their numbers, and those
        along one short dimension such as ``exponent`` or ``state``, become columns behind the name given; series do not.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``seed``, ``split``, ``status``; ``n_parameters``, ``seconds``, ``nfev``, ``solver_error``; and one
        column per number of ``/metrics``, with ``_<state>`` behind the name where it is a number per state. Numbers have
        numeric types; what could not be computed is NaN, and a column that would hold nothing else is left out.

    Raises
    ------
    DataError
        If the tree has no ``/metrics`` and ``/models``, or an analysis is not over ``model`` and ``seed``.

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
    >>> chaos = xr.Dataset({"lyapunov_exponent": (("model", "seed", "exponent"), [[[0.9, 0.0]]])}, models.coords | {"exponent": [1, 2]})
    >>> summary(xr.DataTree.from_dict({"metrics": metrics, "models": models}), chaos=chaos).filter(like="chaos")
       chaos_lyapunov_exponent_1  chaos_lyapunov_exponent_2
    0                        0.9                        0.0
    1                        0.9                        0.0
    """
    missing = [name for name in ("metrics", "models") if name not in tree.children]
    if missing:
        raise DataError(f"this tree has no group {' and '.join('/' + name for name in missing)}; give what physode.compare returned.")
    for name, found in analyses.items():
        if not {"model", "seed"} <= set(found.dims):
            raise DataError(
                f"{name} is over {', '.join(map(str, found.dims)) or 'nothing'}, not over model and seed; "
                "analyse all models of the comparison at once, as physode.comparison.fitted_models(directory) loads them."
            )
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
                row |= _numbers(metrics.sel(model=model, seed=seed), str(split))
                rows.append(row | _of_analyses(analyses, str(model), int(seed)))
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


def _of_analyses(analyses: Mapping[str, xr.Dataset], model: str, seed: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for prefix, result in analyses.items():
        one = result.reindex(model=[model], seed=[seed]).isel(model=0, seed=0, drop=True)
        for name, variable in one.data_vars.items():
            if variable.dtype.kind not in "fib" or variable.ndim > 1 or (variable.ndim and variable.size > _MOST_LABELS):
                continue
            labels = variable[variable.dims[0]].values if variable.ndim else [None]
            for label, value in zip(labels, np.atleast_1d(variable.values), strict=True):
                found["_".join(str(part) for part in (prefix, name, label) if part is not None)] = float(value)
    return found
