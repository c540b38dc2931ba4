"""Settings and fixtures that hold for every test."""

import errno
import os
from pathlib import Path

# Before torch and matplotlib are imported, here and in subprocesses: the suite's tensors are too small for threads to pay.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis
import pytest

hypothesis.settings.register_profile("physode", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("physode")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full when half of a file is written."""

    def write_half(path: Path, content: bytes) -> None:
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_half)
