"""The wheel: what is in it, what is not, and that it works away from the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WHAT_BUILDS = ("physode", "systems", "datasets", "pyproject.toml", "README.md", "LICENSE")


def run(command: list[str], folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy: setuptools would put leftovers of earlier builds into the wheel, and its own into the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in WHAT_BUILDS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)], folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in a clean folder; its requirements are those of the environment that runs the tests."""
    target = tmp_path_factory.mktemp("installed")
    run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)], target)
    return target


def python(code: str, installed: Path, folder: Path) -> str:
    return run([sys.executable, "-I", "-W", "error", "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{code}"], folder)


def test_wheel_has_one_package_at_its_top(contents):
    tops = {name.split("/")[0] for name in contents}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"physode"}
    assert len(tops) == 2


def test_wheel_has_every_file_of_the_library(contents):
    library = {f"physode/{path.relative_to(ROOT / 'physode').as_posix()}" for path in (ROOT / "physode").rglob("*.py")}
    truth = {f"physode/systems/{path.relative_to(ROOT / 'systems').as_posix()}" for path in (ROOT / "systems").rglob("*.py")}
    assert library | truth <= contents
    assert {"physode/py.typed", "physode/__init__.pyi", "physode/_data/registry.json"} <= contents


def test_wheel_has_the_data_and_the_templates(contents):
    data = {
        f"physode/_data/{path.relative_to(ROOT / 'datasets').as_posix()}"
        for path in (ROOT / "datasets").rglob("*")
        if path.is_file() and path.name[0] != "."
    }
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "physode").rglob("templates/*")}
    assert len(data) >= 3
    assert templates
    assert data | templates <= contents


def test_wheel_has_the_licence_and_the_command(wheel, contents):
    with zipfile.ZipFile(wheel) as archive:
        (commands,) = (name for name in contents if name.endswith("entry_points.txt"))
        assert "physode = physode.cli:app" in archive.read(commands).decode()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in contents)


def test_package_list_forgets_none():
    """setuptools takes the packages from a list: a new folder that is not on it would be missing from the wheel only."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {
        ".".join((name, *path.parent.relative_to(ROOT / base).parts))
        for base, name in (("physode", "physode"), ("systems", "physode.systems"))
        for path in (ROOT / base).rglob("*.py")
    }
    assert set(settings["packages"]) == folders | {"physode._data"}


def test_constraints_pin_all_that_is_asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(requirement for extra in project["optional-dependencies"].values() for requirement in extra)]
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line}
    assert {re.split(r"[<>=]", requirement)[0] for requirement in asked} == pinned


def test_citation_file_names_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"version: {project['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_wheel_works_away_from_the_checkout(installed, tmp_path):
    code = """
import json, physode
from physode import systems
record = physode.load_dataset("hudson-bay")
print(json.dumps({"files": [physode.__file__, systems.__file__], "system": systems.get("pendulum").name, "rows": record.sizes["time"],
                  "torch": "torch" in sys.modules, "model": physode.NeuralODE.__module__, "version": physode.__version__}))
"""
    found = json.loads(python(code, installed, tmp_path))
    assert all(Path(file).is_relative_to(installed) for file in found.pop("files"))
    assert found.pop("model").startswith("physode.models")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert found == {"system": "pendulum", "rows": 21, "torch": False, "version": version}
    assert list(tmp_path.iterdir()) == []


def test_command_works_away_from_the_checkout(installed, tmp_path):
    listed = python("from physode.cli import app; sys.argv = ['physode', 'systems']; app()", installed, tmp_path)
    assert "lotka-volterra" in listed
    assert "double-pendulum" in listed
