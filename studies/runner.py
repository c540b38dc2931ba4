"""Runs a study: each model and seed is a cell that is kept; the numbers are set beside the published ones."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from physode import models
from physode.comparison import CellStore
from physode.comparison.fill import Job, fill_store
from physode.comparison.identity import code_digest, config_id
from physode.comparison.overview import number
from physode.errors import ExistsError, FileFormatError, PhysodeError, unknown_name
from physode.files import atomic_path, sha256

__all__ = ["ROOT", "load_config", "run_study", "studies"]

ROOT = Path(__file__).resolve().parent
_NUMBERS = "numbers.json"


def studies() -> dict[str, str]:
    """Return the title of each study by its name."""
    return {path.parent.name: str(json.loads(path.read_text(encoding="utf-8"))["title"]) for path in sorted(ROOT.glob("*/config.json"))}


def load_config(name: str, *, quick: bool = False) -> dict[str, Any]:
    """Read the configuration of a study, with what ``--quick`` replaces; a quick one is held against nothing.

    Raises
    ------
    UnknownNameError
        If there is no such study.
    FileFormatError
        If its configuration lacks something.
    """
    if name not in studies():
        raise unknown_name("study", name, studies())
    config: dict[str, Any] = json.loads((ROOT / name / "config.json").read_text(encoding="utf-8"))
    missing = {"title", "source", "seeds", "models", "settings", "quick", "published", "gates"} - set(config)
    if missing:
        raise FileFormatError(f"studies/{name}/config.json lacks {', '.join(sorted(missing))}; see studies/README.md.")
    if quick:
        small = config["quick"]
        config["seeds"] = small.get("seeds", config["seeds"])
        config["settings"] = config["settings"] | small.get("settings", {})
        config["models"] = {label: given | small.get("models", {}) for label, given in config["models"].items()}
        config |= {"title": f"{config['title']} (quick)", "published": [], "gates": []}
    return config


def run_study(
    name: str,
    *,
    quick: bool = False,
    seeds: int | None = None,
    directory: Path | None = None,
    workers: int | None = None,
    progress: bool | None = None,
) -> str:
    """Run what is missing of a study, write ``numbers.csv`` and ``table.txt``, and return the table.

    Parameters
    ----------
    name : str
        The study's folder.
    quick : bool, default False
        Whether to run the small version; its numbers are not held against the published ones.
    seeds : int, optional
        How many seeds, instead of what the study says; the tables are then ``numbers-seeds-N.csv`` and ``table-seeds-N.txt``, beside
        those of the whole study.
    directory : path, optional
        Where cells and tables are kept; default ``runs/study-NAME``, or ``runs/study-NAME-quick``, in the current folder.
    workers : int, optional
        Number of processes; default one per core.
    progress : bool, optional
        Whether to show a bar; by default on a terminal.

    Raises
    ------
    ExistsError
        If the table of another study, or of a quick one and this is not, would be replaced.
    OSError
        If the folder cannot be made or written; then nothing is fitted.
    PhysodeError
        If every fit failed.
    """
    config = load_config(name, quick=quick)
    directory = Path("runs") / f"study-{name}{'-quick' if quick else ''}" if directory is None else Path(directory)
    suffix = "" if seeds in (None, config["seeds"]) else f"-seeds-{seeds}"
    seeds = config["seeds"] if seeds is None else seeds
    _check_replaceable(directory / f"table{suffix}.txt", config["title"])
    store = CellStore(directory / "cells")
    for folder in (directory, store.root):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # raises what writing would, before the fits
            pass
    jobs = {}
    for label, given in config["models"].items():
        for seed in range(seeds):
            cell = _cell_config(name, config["settings"], given, seed)
            jobs[label, seed] = Job(f"{label}-{seed}", cell, run_cell, (str(ROOT / name), cell, str(store.root)))
    outcomes = fill_store(store, list(jobs.values()), workers=workers, progress=progress)
    rows, failures = [], []
    for (label, seed), job in jobs.items():
        outcome = outcomes[config_id(job.config)]
        if outcome.status == "done":
            found = json.loads((store.folder(job.config) / _NUMBERS).read_text(encoding="utf-8"))
            rows.append({"model": label, "seed": seed, **found})
        else:
            failures.append(f"{job.key} {outcome.status}: {outcome.message}")
    if not rows:
        raise PhysodeError(f"every fit of the study {name} failed; the first: {failures[0]}")
    numbers = pd.DataFrame(rows)
    table = "\n".join([config["title"], config["source"], "", _table(config, numbers, seeds), *failures])
    for file, text in ((f"numbers{suffix}.csv", numbers.to_csv(index=False)), (f"table{suffix}.txt", table + "\n")):
        with atomic_path(directory / file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return table


def run_cell(folder: str, cell: Mapping[str, Any], root: str, notify: Callable[[Mapping[str, Any]], None]) -> None:
    """Run one model with one seed and publish its numbers; do nothing if they are there already."""
    store = CellStore(root)
    if store.exists(cell) and store.problem(cell) is None:
        return
    given = dict(cell["model"])
    model = models.get(given.pop("model"), **given)
    found = _load_run(Path(folder))(dict(cell["settings"]), model, cell["seed"])
    with store.publish(cell) as temporary:
        (temporary / _NUMBERS).write_text(json.dumps({name: float(value) for name, value in found.items()}), encoding="utf-8")


def _check_replaceable(table: Path, title: str) -> None:
    """Raise if a table is there that tells something else."""
    if table.exists() and (found := table.read_text(encoding="utf-8").partition("\n")[0]) != title:
        raise ExistsError(f"{table} holds {found!r}, and this is {title!r}; choose another folder (-o), or move it away.")


def _cell_config(name: str, settings: Mapping[str, Any], given: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return {
        "schema": "physode-study/1",
        "study": name,
        "script": sha256(ROOT / name / "run.py"),
        "settings": dict(settings),
        "model": dict(given),
        "seed": seed,
        "version": version("physode"),
        "code": code_digest(),
    }


def _load_run(folder: Path) -> Callable[[dict[str, Any], Any, int], Mapping[str, float]]:
    path = folder / "run.py"
    spec = importlib.util.spec_from_file_location(f"physode_study_{folder.name.replace('-', '_')}", path)
    if spec is None or spec.loader is None:
        raise FileFormatError(f"{path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run: Callable[[dict[str, Any], Any, int], Mapping[str, float]] = module.run
    return run


def _table(config: Mapping[str, Any], numbers: pd.DataFrame, seeds: int) -> str:
    """Set reached beside published numbers: median over the fits that have one, smallest and largest, and whether the gate is kept."""
    published = {(entry["model"], entry["number"]): float(entry["value"]) for entry in config["published"]}
    gates = {(entry["model"], entry["number"]): entry for entry in config["gates"]}
    rows = [["model", "number", "fits", "reached", "smallest", "largest", "published", "gate", "kept"]]
    for label in config["models"]:
        for name in numbers.columns.drop(["model", "seed"]):
            key, values = (label, str(name)), numbers.loc[numbers["model"] == label, name].dropna().to_numpy(dtype=float)
            if not len(values) and key not in gates and key not in published:
                continue
            reached = [number(float(summary(values))) if len(values) else "-" for summary in (np.median, np.min, np.max)]
            gate = _judge(values, gates[key], seeds) if key in gates else ["", ""]
            known = number(published[key]) if key in published else ""
            rows.append([*key, f"{len(values)}/{seeds}", *reached, known, *gate])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _judge(values: np.ndarray, gate: Mapping[str, Any], seeds: int) -> list[str]:
    """Count the seeds that keep a gate; a fit that failed and a run that was lost, whose number is not finite, keep none."""
    below = "below" in gate
    limit = float(gate["below"] if below else gate["above"])
    kept = np.isfinite(values) & (values < limit if below else values > limit)
    return [f"{'<' if below else '>'} {limit:g}", f"{kept.sum()}/{seeds}"]
