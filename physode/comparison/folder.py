"""The folder of a result: what is in it is ours by a list of sums, and nothing else is ever touched."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from physode.errors import ExistsError
from physode.files import atomic_path, sha256

__all__ = ["ResultFolder"]

_LIST = "files.json"
_CELLS = "cells"


class ResultFolder:
    """A folder that a comparison writes into.

    A list of what was written, with its sums, lies beside it: only a file on the list that still is what was written is ever
    replaced or removed.

    Parameters
    ----------
    path : path
        The folder; it is made when something is written.
    force : bool, default False
        Whether a finished result that is there may be replaced.

    Raises
    ------
    ExistsError
        If a finished result is there, or a folder that is not a comparison's, and `force` is false.
    """

    def __init__(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise ExistsError(f"{self.path} is a file, so no folder of that name can be made; choose another name.")
        present = {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else set()
        if not force and ("result.nc" in present or (_LIST in present and _CELLS not in present)):  # the latter is one fit
            raise ExistsError(
                f"{self.path} holds a finished result and was left alone; choose another folder, or replace it with force (--force)."
            )
        if present and not force and _CELLS not in present:
            raise ExistsError(
                f"{self.path} exists and holds something else ({', '.join(sorted(present)[:3])}); "
                "choose another folder, or write into it with force (--force)."
            )
        self.force = force

    @property
    def cells(self) -> Path:
        """Where the finished cells lie."""
        return self.path / _CELLS

    def owned(self) -> dict[str, list[str]]:
        """Return the list of what was written: relative name to the sums that it may have."""
        try:
            entries = json.loads((self.path / _LIST).read_text(encoding="utf-8"))["files"]
            return {str(name): [str(digest) for digest in digests] for name, digests in entries.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def prepare(self, names: Iterable[str]) -> None:
        """Make the folder, and raise what writing these files would raise, before the work that leads to them.

        Raises
        ------
        ExistsError
            As `check_free`.
        OSError
            If the folder cannot be made or written.
        """
        self.check_free(names)
        self.path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.path):
            pass

    def check_free(self, names: Iterable[str]) -> None:
        """Raise if a file that is to be written is there and is not one of ours.

        Raises
        ------
        ExistsError
            Names the first one.
        """
        owned = self.owned()
        for name in names:
            if (self.path / name).exists() and not self._is_ours(name, owned):
                raise ExistsError(
                    f"{self.path / name} was not written by physode, or was changed since; move it away or choose another folder."
                )

    def write(self, contents: Mapping[str, bytes], *, drop: Iterable[str] = ()) -> None:
        """Write files in the order given and remember them.

        Parameters
        ----------
        contents : mapping
            Relative name to bytes.
        drop : iterable of str
            Names on the list that are no longer wanted; they are removed if they still are what was written.

        Raises
        ------
        ExistsError
            If a file of that name is there and is not one of ours; then nothing is written.
        """
        self.check_free(contents)
        owned = self.owned()
        new = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        self.path.mkdir(parents=True, exist_ok=True)
        self._remember(owned | {name: [*owned.get(name, []), digest] for name, digest in new.items()})
        for name, content in contents.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(self.path / name) as temporary:
                temporary.write_bytes(content)
        for name in (set(drop) & set(owned)) - set(contents):
            if self._is_ours(name, owned):
                (self.path / name).unlink()
            del owned[name]
        self._remember(owned | {name: [digest] for name, digest in new.items()})

    def _is_ours(self, name: str, owned: Mapping[str, list[str]]) -> bool:
        target = self.path / name
        return target.is_file() and not target.is_symlink() and sha256(target) in owned.get(name, [])

    def _remember(self, files: Mapping[str, list[str]]) -> None:
        with atomic_path(self.path / _LIST) as temporary:
            temporary.write_text(json.dumps({"schema": "physode-files/1", "files": files}, indent=1, sort_keys=True), encoding="utf-8")
