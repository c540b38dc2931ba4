"""One cell of a comparison: one model, one seed, fitted, judged and kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from physode.comparison.files import read_tree, write_tree
from physode.comparison.forecast import predict_all, split_kind
from physode.comparison.identity import canonical_json, code_digest, config_id, data_digest
from physode.comparison.metrics import score_splits
from physode.comparison.replay import energy_series, velocity_series
from physode.comparison.store import CellStore
from physode.systems import System
from physode.trajectories import select_split

__all__ = ["CELL_FILE", "MODEL_FILE", "Cell", "make_cell", "read_cell", "run_cell"]

CELL_FILE = "cell.nc"
MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class Cell:
    """What is to be fitted, and the configuration that names its folder.

    Attributes
    ----------
    label : str
        The model's name in this comparison; not part of the configuration.
    model_class : type
        The estimator.
    hyperparameters : mapping
        Its arguments.
    seed : int
        Of the fit.
    config : mapping
        All that the result depends on, as JSON values.
    """

    label: str
    model_class: type[Any]
    hyperparameters: Mapping[str, Any]
    seed: int
    config: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What the progress bar calls the cell."""
        return f"{self.label}-{self.seed}"

    @property
    def id(self) -> str:
        """The name of the cell's folder."""
        return config_id(self.config)


def make_cell(label: str, model: Any, seed: int, record: xr.Dataset, system: System | None, *, lyapunov: bool) -> Cell:
    """Describe a cell.

    Parameters
    ----------
    label : str
        The model's name in this comparison.
    model : estimator
        Only its class and its hyperparameters are used: each cell fits a fresh one.
    seed : int
        Of the fit.
    record : xarray.Dataset
        With its coordinate ``split``, and with the truth if there is one.
    system : System, optional
        The system that made the record.
    lyapunov : bool
        Whether the largest Lyapunov exponent is estimated.

    Raises
    ------
    PhysodeError
        If a hyperparameter cannot be written as JSON.
    """
    kind = type(model)
    hyperparameters = dict(model.get_params())
    config = {
        "schema": "physode-fit/1",
        "version": version("physode"),
        "code": code_digest(),
        "model": f"{kind.__module__}.{kind.__qualname__}",
        "hyperparameters": hyperparameters,
        "seed": int(seed),
        "data": data_digest(record),
        "system": {"equations": str(system.equations()), "parameters": system.parameters} if system is not None else {},
        "lyapunov": bool(lyapunov),
    }
    config_id(config)
    return Cell(label, kind, hyperparameters, int(seed), config)


def run_cell(cell: Cell, record: xr.Dataset, system: System | None, root: str, notify: Callable[[Mapping[str, Any]], None]) -> None:
    """Fit and judge one model, and publish the cell; do nothing if it is there already.

    It knows no engine: it runs in this process, in a spawned one, or on another machine that sees the same folder.

    Parameters
    ----------
    cell : Cell
        What to fit.
    record : xarray.Dataset
        The whole record with its coordinate ``split``; only the part ``"train"`` is fitted.
    system : System, optional
        The system that made the record, whose energy the models are judged by.
    root : str
        The folder of the cell store.
    notify : callable
        Hears ``loss`` and ``nfev`` during the fit.
    """
    store = CellStore(root)
    if store.exists(cell.config) and store.problem(cell.config) is None:
        return
    with store.publish(cell.config) as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = cell.model_class(**cell.hyperparameters)
        model.fit(
            select_split(record, "train"),
            seed=cell.seed,
            callback=lambda progress: notify({"loss": progress.loss, "nfev": progress.nfev}),
        )
        prediction = predict_all(model, record)
        groups = {
            "predictions": prediction,
            "vector_field": model.vector_field(record, prediction),
            "training": _training(model.result_.history),
            "metrics": score_splits(model, record, prediction),
            "models": _facts(cell, model),
        }
        velocity = velocity_series(model, prediction, record)
        if velocity is not None:
            groups["models"]["velocity_from"] = ((), str(velocity.attrs["recovered_from"]))
            groups["velocity"] = velocity.drop_vars(["correlation", "rmse", "nrmse", "r2_linear", "rmse_linear"])
        part = select_split(record, "test" if split_kind(record) == "trajectory" else "train")
        energy = energy_series(model, prediction, part, system)
        if energy is not None:
            groups["metrics"]["energy_drift"] = energy["energy_drift"]
            groups["energy"] = energy.drop_vars("energy_drift")
        if cell.config["lyapunov"]:
            groups["metrics"] = groups["metrics"].merge(_lyapunov(model))
        model.save(folder / MODEL_FILE)
        sentences = list(dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught))
        groups["models"]["warnings"] = ((), "\n".join(sentences))
        write_tree(xr.DataTree.from_dict(groups), folder / CELL_FILE)


def read_cell(cell: Cell, root: str) -> dict[str, xr.Dataset]:
    """Read the groups of a finished cell."""
    tree = read_tree(CellStore(root).folder(cell.config) / CELL_FILE)
    return {name: tree[name].to_dataset() for name in tree.children}


def _training(history: Mapping[str, Any]) -> xr.Dataset:
    coords = {"epoch": np.arange(len(history["loss"]))}
    columns = {name: np.asarray(history[name]) for name in ("loss", "nfev", "wall_time", "stage")}
    texts = {"loss": "loss", "nfev": "evaluations of the vector field", "wall_time": "wall time", "stage": "stage of the fit"}
    variables = {
        name: ("epoch", values.astype(object) if name == "stage" else values.astype(np.float64), {"long_name": texts[name]})
        for name, values in columns.items()
    }
    variables["wall_time"][2]["units"] = "s"
    return xr.Dataset(variables, coords)


def _facts(cell: Cell, model: Any) -> xr.Dataset:
    result = model.result_
    numbers = {
        "n_parameters": (model.n_parameters, "number of parameters", "1"),
        "seconds": (result.wall_time, "wall time of the fit", "s"),
        "nfev": (result.nfev, "evaluations of the vector field during the fit", "1"),
        "success": (result.success, "whether the fit reached its goal, 1 or 0", "1"),
        "loss": (result.loss, "root mean square residual of the fit, over the spread", "1"),
        "solver_error": (result.solver_error, "error of the training solver on the learned field, over the spread", "1"),
    }
    texts = {
        "status": result.status,
        "message": result.message,
        "registry_name": model.registry_name,
        "hyperparameters": canonical_json(cell.hyperparameters),
        "cell": cell.id,
    }
    facts = xr.Dataset({name: ((), float(value), {"long_name": text, "units": units}) for name, (value, text, units) in numbers.items()})
    facts = facts.assign({name: ((), str(text)) for name, text in texts.items()})
    noise = dict(result.noise_std)
    return facts.assign(noise_std=("state", list(map(float, noise.values())), {"long_name": "noise that the fit found"})).assign_coords(
        state=list(noise)
    )


def _lyapunov(model: Any) -> xr.Dataset:
    from physode.analysis import lyapunov_spectrum

    spectrum = lyapunov_spectrum(model, n_exponents=1)
    found = spectrum[["lyapunov_exponent", "standard_error"]].rename(standard_error="lyapunov_standard_error")
    return found.reset_coords(drop=True).assign_coords(exponent=[1])
