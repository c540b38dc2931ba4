"""Doctests of the library and the README run in an empty folder, so that an example may write a file."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _doctests_in_empty_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        folder: Path = tmp_path_factory.mktemp("doctest")
        monkeypatch.chdir(folder)
