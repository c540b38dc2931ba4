"""Runs what a store does not hold yet, and nothing else."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from physode.comparison.identity import config_id
from physode.comparison.pool import Outcome, Task, available_cores, run_tasks
from physode.comparison.progress import progress_bar
from physode.comparison.store import CellStore

__all__ = ["Job", "fill_store", "importable"]


@dataclass(frozen=True)
class Job:
    """How the cell of one configuration is made: ``function(*arguments, notify)`` publishes it; `key` is its name for people."""

    key: str
    config: Mapping[str, Any]
    function: Callable[..., None]
    arguments: tuple[Any, ...]


def fill_store(store: CellStore, jobs: Sequence[Job], *, workers: int | None = None, progress: bool | None = None) -> dict[str, Outcome]:
    """Make every cell that is missing; keep what is whole, set damaged ones aside and make them again.

    Parameters
    ----------
    store : CellStore
        Where cells lie.
    jobs : sequence of Job
        Two with the same configuration are one cell.
    workers : int, optional
        Number of processes, at most one per missing cell; default one per core.
    progress : bool, optional
        Whether to show a bar; by default on a terminal or in a notebook.

    Returns
    -------
    dict of str to Outcome
        By the id of the configuration. A cell that is on the disk is ``done``.

    Warns
    -----
    UserWarning
        For each damaged cell, with the reason and where it was moved.
    """
    store.sweep()
    wanted = {config_id(job.config): job for job in jobs}
    missing = {}
    for cell_id, job in wanted.items():
        if not store.exists(job.config):
            missing[cell_id] = job
        elif (problem := store.problem(job.config)) is not None:
            aside = store.quarantine(job.config)
            warnings.warn(
                f"the finished fit {job.key} is damaged ({problem}); it was moved to {aside} and is computed again.", stacklevel=3
            )
            missing[cell_id] = job
    outcomes = dict.fromkeys(set(wanted) - set(missing), Outcome("done"))
    processes = min(len(missing), available_cores() if workers is None else workers)
    with progress_bar(len(wanted), len(outcomes), show=progress) as listener:
        tasks = [Task(job.key, job.function, job.arguments) for job in missing.values()]
        ended = run_tasks(tasks, workers=processes, listener=listener)
    store.sweep()
    return outcomes | {cell_id: ended[job.key] for cell_id, job in missing.items()}


def importable(thing: Any) -> bool:
    """Say whether another process finds a class or function by its name: not if it was defined in the running script."""
    module = sys.modules.get(thing.__module__)
    return thing.__module__ != "__main__" and getattr(module, thing.__qualname__, None) is thing
