"""How every file is written: completely, or not at all."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from physode.errors import ExistsError

__all__ = ["atomic_path", "sha256"]


@contextmanager
def atomic_path(target: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[Path]:
    """Give a temporary path that becomes `target` when the block ends well.

    Parameters
    ----------
    target : path
        The file to write. Its folder must exist.
    overwrite : bool, default True
        Whether a file that is there already is replaced.

    Yields
    ------
    pathlib.Path
        A path in the same folder, with the same suffix. On success it is flushed to disk and renamed in one step; on any
        exception, KeyboardInterrupt included, it is removed and `target` is left as it was; an OSError then names `target`.

    Raises
    ------
    ExistsError
        If `target` exists and `overwrite` is false, or if it is a folder.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "a.txt") as path:
    ...     _ = path.write_text("whole")
    >>> [p.name for p in folder.iterdir()]
    ['a.txt']
    """
    target = Path(target)
    if target.is_dir():
        raise ExistsError(f"{target} is a folder, so no file of that name can be written; give a file name.")
    if target.exists() and not overwrite:
        raise ExistsError(f"{target} exists already and was left alone; choose another name, or replace it with overwrite=True (--force).")
    temporary = target.with_name(f".{target.stem}.{uuid.uuid4().hex}.partial{target.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):  # a full disk names none
            error.filename = str(target)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 digest of a file as 64 hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
