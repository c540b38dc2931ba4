import errno
import os
import re
import stat
import threading
from pathlib import Path

import pytest

from physode.errors import ExistsError
from physode.files import atomic_path, sha256


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert entries(tmp_path) == ["a.txt"]


def test_an_old_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic_path(str(target)) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError(errno.ENOSPC, "disk full")])
@pytest.mark.parametrize("old", [None, "old"])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException], old: str | None) -> None:
    target = tmp_path / "a.txt"
    if old:
        target.write_text(old)

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error if isinstance(error, type) else OSError):
        fail()
    assert entries(tmp_path) == (["a.txt"] if old else [])
    if old:
        assert target.read_text() == old


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path, number: int) -> None:
    target = tmp_path / "a.txt"
    with pytest.raises(OSError, match=re.escape(f"{os.strerror(number)}: '{target}'") + "$") as caught, atomic_path(target) as temporary:
        raise OSError(number, os.strerror(number), *([str(temporary)] if number == errno.EACCES else []))
    assert caught.value.errno == number
    with pytest.raises(FileNotFoundError, match="No such file or directory: '/nowhere'"), atomic_path(target):
        Path("/nowhere").read_bytes()


def test_a_block_that_wrote_nothing_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        pass
    assert entries(tmp_path) == []


def test_an_old_file_is_kept_if_asked(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ExistsError, match=r"a.txt exists already and was left alone"), atomic_path(target, overwrite=False):
        pytest.fail("the block must not run")
    assert target.read_text() == "old"
    with atomic_path(tmp_path / "b.txt", overwrite=False) as temporary:
        temporary.write_text("new")
    assert entries(tmp_path) == ["a.txt", "b.txt"]


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(ExistsError, match="is a folder, so no file of that name can be written"), atomic_path(tmp_path):
        pytest.fail("the block must not run")


def test_what_is_renamed_lies_on_the_disk_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def spy_fsync(handle: int) -> None:
        calls.append("fsync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "fsync file")
        fsync(handle)

    def spy_replace(source: Path, target: Path) -> None:
        calls.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert calls == ["fsync file", "replace", "fsync folder"]


def test_the_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    target, barrier = tmp_path / "a.txt", threading.Barrier(8)

    def write(letter: str) -> None:
        barrier.wait()
        with atomic_path(target) as temporary:
            temporary.write_text(letter * 10_000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = target.read_text()
    assert len(text) == 10_000
    assert len(set(text)) == 1
    assert entries(tmp_path) == ["a.txt"]


def test_sha256_is_the_standard_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
