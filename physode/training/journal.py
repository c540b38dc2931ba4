"""What a fit has done, on disk, so that it can be stopped and taken up again to the same numbers.

A fit is a row of optimiser runs with cheap and deterministic work between them. The journal keeps what each finished run gave and
where the last one stands; a fit that is taken up again repeats the work in between, and the runs are read instead of run.
"""

from __future__ import annotations

import copy
import json
import os
import time as clock
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from physode.errors import CheckpointWarning, FileFormatError, PhysodeError
from physode.files import atomic_path

__all__ = ["Journal", "Keep", "State"]

State = Any
"""A tree of dicts, lists and tuples with tensors, numbers, texts and None."""
Keep = Callable[[Callable[[], State]], None]
"""Called by an optimiser after each step with a function that tells where it stands."""
FORMAT = "physode-checkpoint/6"
"""Another number whenever what an optimiser keeps of its place changes, so that an older file is refused and not misread."""
SECONDS = 10.0
"""Time between two writes while a run goes on."""


class Journal:
    """The optimiser runs of one fit, in their order.

    Parameters
    ----------
    path : Path, optional
        File to keep them in; read if it is there. Without it nothing is kept.
    identity : mapping of str to str
        What makes the fit the one it is; a file of another one is refused.
    told : dict
        What was told of the fit so far; kept along with the runs and put back when they are read. JSON-ready.

    Raises
    ------
    PhysodeError
        If the file belongs to another fit, or could not be written.
    FileFormatError
        If it is no whole checkpoint.
    """

    def __init__(self, path: Path | None, identity: Mapping[str, str], told: dict[str, Any]) -> None:
        self.path, self.identity, self.told = path, dict(identity), told
        self.done: list[State] = []
        self.going: State = None
        self.place, self.written = 0, clock.monotonic()
        if path is not None:
            _refuse_unwritable(path)
            if path.exists():
                self._read(path)
        self._snapshot = copy.deepcopy(told)

    def run(self, optimise: Callable[[State, Keep], State]) -> State:
        """Give what the next run gives: from the journal, or by running it, from where it stood if it had begun."""
        if self.place == len(self.done):
            result = optimise(_copied(self.going), self._keep)
            if self.path is None:
                return result
            self.done.append(_copied(result))
            self.going, self._snapshot = None, copy.deepcopy(self.told)
            self.write()
        self.place += 1
        return _copied(self.done[self.place - 1])

    def _keep(self, state: Callable[[], State]) -> None:
        if self.path is None:
            return
        self.going, self._snapshot = _copied(state()), copy.deepcopy(self.told)
        if clock.monotonic() - self.written > SECONDS:
            self.write()

    def write(self) -> None:
        """Write what is known now, whole or not at all; a file that cannot be written costs a warning and not the fit."""
        if self.path is None:
            return
        tensors: dict[str, Tensor] = {}
        about = {
            "format": FORMAT,
            "identity": self.identity,
            "told": self._snapshot,
            "done": _packed(self.done, tensors),
            "going": _packed(self.going, tensors),
        }
        try:
            with atomic_path(self.path) as temporary:
                temporary.write_bytes(tensor_bytes(tensors, metadata={"physode": json.dumps(about)}))
        except OSError as error:
            warnings.warn(f"the checkpoint {self.path} could not be written ({error}); the fit goes on.", CheckpointWarning, stacklevel=2)
        self.written = clock.monotonic()

    def _read(self, path: Path) -> None:
        try:
            with safe_open(path, framework="pt") as handle:
                about = json.loads((handle.metadata() or {}).get("physode", "{}"))
                tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, json.JSONDecodeError, OSError) as error:
            raise FileFormatError(f"{path} is no whole checkpoint ({error}); delete it to start the fit anew.") from error
        if about.get("format") != FORMAT:
            raise FileFormatError(f"{path} is no checkpoint of the format {FORMAT}; give another file.")
        theirs = about["identity"]
        other = [name for name, value in self.identity.items() if theirs.get(name) != value]
        if other:
            raise PhysodeError(
                f"the checkpoint {path} is that of another fit, of another {' and '.join(other)}; give another file, or delete this one."
            )
        self.done, self.going = _unpacked(about["done"], tensors), _unpacked(about["going"], tensors)
        self.told.update(about["told"])


def _refuse_unwritable(path: Path) -> None:
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        what = "is a folder" if path.is_dir() else "cannot be written: its folder does not exist, or is not yours to write to"
        raise PhysodeError(f"the checkpoint {path} {what}; give the name of a file in a folder that exists.")


def _packed(tree: State, tensors: dict[str, Tensor]) -> Any:
    """Replace tensors by their names; JSON-ready."""
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        tensors[name] = tree.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(tree, dict):
        return {"dict": [[key, _packed(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        return {type(tree).__name__: [_packed(value, tensors) for value in tree]}
    return tree


def _unpacked(packed: Any, tensors: Mapping[str, Tensor]) -> State:
    if not isinstance(packed, dict):
        return packed
    ((kind, inside),) = packed.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "dict":
        return {key: _unpacked(value, tensors) for key, value in inside}
    values = [_unpacked(value, tensors) for value in inside]
    return tuple(values) if kind == "tuple" else values


def _copied(tree: State) -> State:
    """Copy a tree with its tensors: optimisers change theirs in place."""
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_copied(value) for value in tree)
    return tree
