"""Many models times many seeds on one record."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from physode.comparison.assemble import assemble
from physode.comparison.cell import MODEL_FILE, Cell, make_cell, run_cell
from physode.comparison.files import tree_bytes
from physode.comparison.fill import Job, fill_store, importable
from physode.comparison.folder import ResultFolder
from physode.comparison.forecast import with_split
from physode.comparison.store import CellStore
from physode.comparison.table import summary
from physode.comparison.truth import Truth, resolve_truth
from physode.errors import DataError, PhysodeError
from physode.models.options import seed_numbers
from physode.systems import System
from physode.trajectories import input_names, validate

__all__ = ["compare"]


def compare(
    models: Mapping[str, Any] | Sequence[str],
    ds: xr.Dataset,
    *,
    seeds: int | Sequence[int] = 5,
    truth: xr.Dataset | System | None = None,
    directory: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    lyapunov: bool = False,
    progress: bool | None = None,
    force: bool = False,
) -> xr.DataTree:
    """Fit several models with several seeds to one record and judge them alike.

    Parameters
    ----------
    models : mapping of str to model, or sequence of str
        What to fit: unfitted models under names of your choice, or names of the registry (``["node", "sonode"]``).
    ds : xarray.Dataset
        A record. Without a coordinate ``split``, a fifth of the trajectories is held out if there are at least five, else the
        last quarter of the time; only the rest is fitted.
    seeds : int or sequence of int, default 5
        How many seeds (0, 1, ...), or which.
    truth : Dataset or System, optional
        The truth behind the record; a simulated record brings its own.
    directory : path, optional
        Where to keep everything. An interrupted comparison goes on where it stopped. Without it nothing is kept on disk.
    workers : int, optional
        Number of processes; default one per core. With 1, and for models defined in the running script, this process works.
    lyapunov : bool, default False
        Whether to estimate the largest Lyapunov exponent of each model (minutes per model).
    progress : bool, optional
        Whether to show a progress bar; by default on a terminal or in a notebook.
    force : bool, default False
        Whether to replace a finished result in `directory`. Finished fits of the same configuration are kept in any case, and
        files that physode did not write are never touched.

    Returns
    -------
    xarray.DataTree
        Groups ``/observations /truth /parameters /predictions /vector_field /training /metrics /models``. A fit that failed has
        the status ``failed`` or ``killed`` and its message in ``/models``, and NaN everywhere else.

    Raises
    ------
    DataError
        If the record breaks the data contract.
    UnknownNameError
        If a model's name is not in the registry.
    ExistsError
        If `directory` holds a finished result, or something else.

    See Also
    --------
    physode.summary : the numbers as a table.

    Examples
    --------
    >>> import numpy as np, physode
    >>> from physode import systems
    >>> ds = systems.get("damped-oscillator").simulate(np.linspace(0, 6, 30))
    >>> tree = physode.compare({"small": physode.SecondOrderNeuralODE(hidden=(4,))}, ds, seeds=1, workers=1)
    >>> bool(physode.summary(tree)["r2_x"].min() > 0.99)
    True
    """
    chosen = _models(models)
    numbers = seed_numbers(seeds)
    record, known = resolve_truth(with_split(validate(ds)), truth)
    if lyapunov and (driving := input_names(record)):
        raise DataError(
            f"lyapunov=True is for fields by themselves, and the models of this record are driven by {', '.join(driving)}; leave it False."
        )
    folder = None if directory is None else ResultFolder(directory, force=force)
    cells = [make_cell(label, model, seed, record, known.system, lyapunov=lyapunov) for label, model in chosen.items() for seed in numbers]
    settings = {"models": list(chosen), "seeds": numbers, "lyapunov": lyapunov}
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="physode-") as temporary:
            return _run(cells, record, known, Path(temporary), workers, progress, settings)[0]
    folder.prepare([*_file_names(cells), "summary.csv", "result.nc"])
    tree, saved = _run(cells, record, known, folder.cells, workers, progress, settings)
    _write(folder, tree, saved)
    return tree


def _models(models: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """Give each model under its name, those of the registry made with their defaults."""
    from physode import models as registry  # brings torch, which reading a result does not need

    if isinstance(models, str):
        models = [models]
    if not models:
        raise PhysodeError(f"no model was named; choose from: {', '.join(sorted(registry.MODELS))}.")
    if isinstance(models, Mapping):
        if len(set(map(str, models))) < len(models):
            raise PhysodeError(f"two of the models have one name, of {', '.join(map(repr, models))}; give each its own.")
        for label, model in models.items():
            if isinstance(model, type):
                raise PhysodeError(f"{label!r} is the class {model.__name__}; give a model, such as {model.__name__}().")
        return {str(label): registry.get(model) if isinstance(model, str) else model for label, model in models.items()}
    return {name: registry.get(name) for name in dict.fromkeys(models)}


def _run(
    cells: Sequence[Cell],
    record: xr.Dataset,
    known: Truth,
    root: Path,
    workers: int | None,
    progress: bool | None,
    settings: Mapping[str, Any],
) -> tuple[xr.DataTree, dict[str, Path]]:
    """Fill the store; return the tree and the saved models by their file names."""
    if not all(importable(cell.model_class) for cell in cells):
        workers = 1
    store = CellStore(root)
    jobs = [Job(cell.key, cell.config, run_cell, (cell, record, known.system, str(root))) for cell in cells]
    outcomes = fill_store(store, jobs, workers=workers, progress=progress)
    tree = assemble(cells, outcomes, record, known, str(root), settings)
    saved = {
        name: store.folder(cell.config) / MODEL_FILE for name, cell in _file_names(cells).items() if outcomes[cell.id].status == "done"
    }
    return tree, saved


def _write(folder: ResultFolder, tree: xr.DataTree, saved: Mapping[str, Path]) -> None:
    """Write what a reader opens; ``result.nc`` last, because it says that the rest is there."""
    contents = {name: path.read_bytes() for name, path in saved.items()}
    contents["summary.csv"] = summary(tree).to_csv(index=False).encode()
    contents["result.nc"] = tree_bytes(tree)
    folder.write(contents, drop=[name for name in folder.owned() if name.startswith("models/")])


def _file_names(cells: Sequence[Cell]) -> dict[str, Cell]:
    """Name the saved models; what a file name should not hold becomes an underscore."""
    names: dict[str, Cell] = {}
    for cell in cells:
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", cell.label).lstrip(".") or "model"
        name = f"models/{stem[:80]}-{cell.seed}.safetensors"
        while name in names:
            name = name.replace(".safetensors", "_.safetensors")
        names[name] = cell
    return names
