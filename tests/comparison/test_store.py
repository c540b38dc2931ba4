"""A cell is whole or absent."""

import json
import os
import shutil

import pytest

from physode.comparison.identity import config_id
from physode.comparison.store import CellStore
from physode.errors import FileFormatError

CONFIG = {"model": "sonode", "seed": 3}


@pytest.fixture
def store(tmp_path):
    store = CellStore(tmp_path / "cells")
    with store.publish(CONFIG) as folder:
        (folder / "a.txt").write_text("alpha")
        (folder / "b.txt").write_text("beta")
    return store


def test_a_published_cell_verifies_and_carries_its_configuration(store):
    assert store.exists(CONFIG) and store.problem(CONFIG) is None
    folder = store.folder(CONFIG)
    assert folder.name == config_id(CONFIG)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["config"] == CONFIG and manifest["files"]["a.txt"]["size"] == 5
    assert [path.name for path in store.root.iterdir()] == [folder.name]


DAMAGE = {
    "truncated": (lambda f: (f / "a.txt").write_text("alp"), "a.txt is not what was written"),
    "flipped": (lambda f: (f / "a.txt").write_text("alphb"), "a.txt is not what was written"),
    "file gone": (lambda f: (f / "b.txt").unlink(), "its files are"),
    "file more": (lambda f: (f / "c.txt").write_text("c"), "its files are"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "manifest.json cannot be read"),
    "cut manifest": (lambda f: (f / "manifest.json").write_text((f / "manifest.json").read_text()[:40]), "manifest.json is damaged"),
    "binary manifest": (lambda f: (f / "manifest.json").write_bytes(b"\xff\xfe\x00"), "manifest.json is damaged"),
    "list manifest": (lambda f: (f / "manifest.json").write_text("[]"), "manifest.json is damaged"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_and_moved_aside(store, damage):
    act, words = DAMAGE[damage]
    act(store.folder(CONFIG))
    assert words in store.problem(CONFIG)
    aside = store.quarantine(CONFIG)
    assert aside.parent == store.root / "quarantine" and aside.is_dir()
    assert not store.exists(CONFIG)


def test_a_cell_under_the_name_of_another_is_not_read(store):
    other = {"model": "sonode", "seed": 4}
    shutil.copytree(store.folder(CONFIG), store.folder(other))
    assert store.problem(other) == "manifest.json belongs to another configuration"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_cell_leaves_nothing(tmp_path, error):
    store = CellStore(tmp_path)
    with pytest.raises(error), store.publish(CONFIG):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_the_second_of_two_that_finish_gives_way(store):
    with store.publish(CONFIG) as folder:
        (folder / "a.txt").write_text("second")
    assert (store.folder(CONFIG) / "a.txt").read_text() == "alpha"
    assert len(list(store.root.iterdir())) == 1


def test_a_damaged_cell_is_never_silently_kept_or_replaced(store):
    (store.folder(CONFIG) / "a.txt").write_text("x")
    with pytest.raises(FileFormatError, match="is damaged .*stands in the way"), store.publish(CONFIG) as folder:
        (folder / "a.txt").write_text("alpha")


def test_sweep_removes_what_dead_processes_left_and_nothing_else(store):
    host = os.uname().nodename
    dead, living, elsewhere = (store.root / name for name in (f"tmp-{host}-999999999-aa", f"tmp-{host}-{os.getpid()}-bb", "tmp-other-1-cc"))
    for folder in (dead, living, elsewhere):
        folder.mkdir()
    assert store.sweep() == 1
    assert not dead.exists() and living.exists() and elsewhere.exists() and store.problem(CONFIG) is None
