"""Where a record came from: one function writes it, and history only grows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from physode.trajectories.contract import SCHEMA

__all__ = ["provenance"]


def provenance(action: str, *, before: Mapping[Any, Any] | None = None, **facts: str | int | float | None) -> dict[str, Any]:
    """Make the attributes of a record that say where it came from.

    Parameters
    ----------
    action : str
        What was done, in a few words; it becomes a line of ``history``.
    before : mapping, optional
        The attributes of the record that this one was made from. They are kept, and its history comes first.
    **facts : str, int, float or None
        More to say, such as ``system``, ``seed``, ``solver``, ``rtol``, ``atol``; None is left out.

    Returns
    -------
    dict
        For ``ds.attrs``: ``schema``, ``created_at`` (UTC, ISO 8601), ``physode_version``, the facts, and ``history`` with one
        line per step, the oldest first. If the environment holds SOURCE_DATE_EPOCH (seconds), that is the time: then the same
        seed gives the same bytes of a file, too.

    Examples
    --------
    >>> first = provenance("simulate pendulum", system="pendulum", seed=0)
    >>> second = provenance("add noise", before=first)
    >>> [line.partition(": ")[2] for line in second["history"].splitlines()]
    ['simulate pendulum', 'add noise']
    >>> second["seed"]
    0
    """
    stamp = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.now(UTC) if stamp is None else datetime.fromtimestamp(int(stamp), UTC)
    now = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    installed = version("physode")
    kept = {str(name): value for name, value in (before or {}).items()}
    line = f"{now} physode {installed}: {' '.join(action.split())}"
    history = f"{kept['history']}\n{line}" if kept.get("history") else line
    kept.setdefault("created_at", now)
    known = {name: value for name, value in facts.items() if value is not None}
    return {**kept, "schema": SCHEMA, "physode_version": installed, **known, "history": history}
