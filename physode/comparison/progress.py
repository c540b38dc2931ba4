"""One line on the terminal: how many cells are done, and the loss and evaluations of those that run."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm

from physode.comparison.pool import Listener

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(total: int, done: int = 0, *, show: bool | None = None) -> Iterator[Listener]:
    """Show a bar over cells while the block runs.

    Parameters
    ----------
    total, done : int
        Number of cells, and how many of them were there before.
    show : bool, optional
        Whether to draw it; by default only on a terminal or in a notebook.

    Yields
    ------
    callable
        To be given to `physode.comparison.pool.run_tasks`; it may be called from any thread.
    """
    with tqdm(total=total, initial=done, unit="fit", disable=None if show is None else not show, dynamic_ncols=True) as bar:
        running: dict[str, str] = {}
        ended: set[str] = set()
        lock = threading.Lock()

        def hear(key: str, payload: Mapping[str, Any]) -> None:
            with lock:
                if "status" in payload:
                    running.pop(key, None)
                    ended.add(key)
                    bar.update()
                elif key not in ended:
                    running[key] = f"{key} loss {payload['loss']:.2e}, {_short(payload['nfev'])} evaluations"
                bar.set_postfix_str(" | ".join(running[name] for name in sorted(running)))

        yield hear


def _short(count: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return f"{count:.0f}"
