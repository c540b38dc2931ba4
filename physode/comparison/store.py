"""Where finished cells lie: one folder each, whole or absent, checked by its sums before it is read."""

from __future__ import annotations

import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from physode.comparison.identity import canonical_json, config_id
from physode.errors import FileFormatError
from physode.files import sha256

__all__ = ["CellStore"]

_SCHEMA = "physode-cell/1"
_MANIFEST = "manifest.json"


class CellStore:
    """A folder of finished cells, each named by the hash of its configuration.

    A cell is written under a temporary name, its manifest (the configuration, and size and SHA-256 of every file) last; one
    rename then publishes it. It counts as done only if its manifest verifies, so that a killed run, a full disk or a flipped bit
    costs one cell and never gives a wrong number. Nothing but the disk is asked.

    Parameters
    ----------
    root : path
        The folder; it is made when the first cell is written.

    Examples
    --------
    >>> import tempfile
    >>> store = CellStore(tempfile.mkdtemp())
    >>> with store.publish({"seed": 1}) as folder:
    ...     _ = (folder / "answer.txt").write_text("42")
    >>> store.problem({"seed": 1}) is None
    True
    >>> (store.folder({"seed": 1}) / "answer.txt").read_text()
    '42'
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def folder(self, config: Mapping[str, Any]) -> Path:
        """Return where the cell of that configuration lies, or will lie."""
        return self.root / config_id(config)

    def exists(self, config: Mapping[str, Any]) -> bool:
        """Say whether a folder of that name is there, whole or not."""
        return self.folder(config).is_dir()

    def problem(self, config: Mapping[str, Any]) -> str | None:
        """Say what is wrong with a cell that exists, or None if every file is as it was written."""
        folder = self.folder(config)
        try:
            manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            found = canonical_json(manifest["config"]), manifest["schema"]
            files = {str(name): (int(entry["size"]), str(entry["sha256"])) for name, entry in manifest["files"].items()}
        except OSError as error:
            return f"{_MANIFEST} cannot be read ({error.strerror})"
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{_MANIFEST} is damaged"
        if found != (canonical_json(config), _SCHEMA):
            return f"{_MANIFEST} belongs to another configuration"
        present = {path.name for path in folder.iterdir()} - {_MANIFEST}
        if present != set(files):
            return f"its files are {sorted(present)}, its manifest lists {sorted(files)}"
        for name, (size, digest) in files.items():
            if (folder / name).stat().st_size != size or sha256(folder / name) != digest:
                return f"{name} is not what was written"
        return None

    def quarantine(self, config: Mapping[str, Any]) -> Path:
        """Move a damaged cell aside, so that it can be looked at and is never read; return its new place."""
        folder = self.folder(config)
        aside = self.root / "quarantine"
        aside.mkdir(exist_ok=True)
        target = aside / f"{folder.name}-{uuid.uuid4().hex[:8]}"
        os.rename(folder, target)
        return target

    @contextmanager
    def publish(self, config: Mapping[str, Any]) -> Iterator[Path]:
        """Give an empty folder to fill with files; when the block ends well it becomes the cell, else it is removed.

        Raises
        ------
        FileFormatError
            If a damaged cell of that name stands in the way.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        target = self.folder(config)
        temporary = self.root / f"tmp-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"
        temporary.mkdir()
        try:
            yield temporary
            files = {path.name: {"size": path.stat().st_size, "sha256": sha256(path)} for path in sorted(temporary.iterdir())}
            manifest = {"schema": _SCHEMA, "config": json.loads(canonical_json(config)), "files": files}
            _write_synced(temporary / _MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
            try:
                os.rename(temporary, target)
            except OSError:
                problem = self.problem(config) if target.is_dir() else "it is not a folder"
                if problem is not None:
                    raise FileFormatError(f"cell {target} is damaged ({problem}) and stands in the way; move it aside.") from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def sweep(self) -> int:
        """Remove what killed processes of this machine left half written; return how many folders went."""
        gone = 0
        for path in self.root.glob(f"tmp-{socket.gethostname()}-*"):
            pid = path.name.rsplit("-", 2)[-2]
            if pid.isdigit() and not _alive(int(pid)):
                shutil.rmtree(path, ignore_errors=True)
                gone += 1
        return gone


def _write_synced(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
