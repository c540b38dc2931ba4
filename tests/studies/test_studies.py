"""Every study keeps the form, keeps what is finished, and defines no model and no solver."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physode import models
from physode.comparison import CellStore
from physode.errors import ExistsError, FileFormatError, PhysodeError, UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.parent.name for path in (ROOT / "studies").glob("*/config.json"))


@pytest.fixture
def runner(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    import studies.runner

    return studies.runner


def test_studies_are_found(runner):
    assert sorted(runner.studies()) == NAMES and "interpretability-2d" in NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quick", [False, True])
def test_configuration_names_what_exists(runner, name, quick):
    config = runner.load_config(name, quick=quick)
    assert config["seeds"] >= 1 and config["title"] and config["source"]
    for given in config["models"].values():
        hyperparameters = {key: value for key, value in given.items() if key != "model"}
        assert models.get(given["model"], **hyperparameters).registry_name == given["model"]
    for entry in [*config["published"], *config["gates"]]:
        assert entry["model"] in config["models"] and isinstance(entry["number"], str)
    assert all(("below" in gate) != ("above" in gate) for gate in config["gates"])


@pytest.mark.parametrize("name", NAMES)
def test_a_study_defines_no_model_and_no_solver(name):
    tree = ast.parse((ROOT / "studies" / name / "run.py").read_text(encoding="utf-8"))
    imported = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    imported |= {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported <= {"__future__", "typing", "collections", "physode", "numpy", "xarray"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run"]


@pytest.mark.parametrize("name", NAMES)
def test_readme_tells_every_published_number(name):
    text = (ROOT / "studies" / name / "README.md").read_text(encoding="utf-8")
    config = json.loads((ROOT / "studies" / name / "config.json").read_text(encoding="utf-8"))
    missing = [entry for entry in config["published"] if f"{entry['value']}" not in text]
    assert not missing


def with_gaps(method):
    """Lose every second time of what a model predicts."""

    def lose(*args, **kwargs):
        found = method(*args, **kwargs)
        return found.where(xr.DataArray(np.arange(found.sizes["time"]) % 2 == 0, dims="time"))

    return lose


@pytest.mark.parametrize("name", NAMES)
def test_no_number_of_a_gate_leaves_out_what_was_lost(runner, name, monkeypatch):
    config = runner.load_config(name)
    settings = runner.load_config(name, quick=True)["settings"]
    for label, given in config["models"].items():
        hyperparameters = given | {"hidden": [4], "max_iterations": 1}
        model = models.get(hyperparameters.pop("model"), **hyperparameters)
        for method in ("predict", "simulate"):
            monkeypatch.setattr(type(model), method, with_gaps(getattr(type(model), method)))
        found = runner._load_run(ROOT / "studies" / name)(settings, model, 0)
        gated = {gate["number"] for gate in config["gates"] if gate["model"] == label} - {"seconds"}
        assert not [number for number in gated if np.isfinite(found[number])]


RUN = """
from pathlib import Path

def run(settings, model, seed):
    log = Path(settings["log"])
    with log.open("a") as handle:
        handle.write(f"{model.registry_name} {model.hidden} {seed}\\n")
    if seed == 2:
        raise RuntimeError("no luck")
    return {"error": 0.001 * (seed + 1), "power": settings["power"]}
"""


@pytest.fixture
def toy(runner, tmp_path, monkeypatch):
    folder = tmp_path / "studies" / "toy"
    folder.mkdir(parents=True)
    config = {
        "title": "A toy",
        "source": "nobody",
        "seeds": 2,
        "models": {"small": {"model": "node", "hidden": [4]}},
        "settings": {"log": str(tmp_path / "log"), "power": 3},
        "quick": {"seeds": 1, "settings": {"power": 1}, "models": {"hidden": [2]}},
        "published": [{"model": "small", "number": "error", "value": 0.0029}],
        "gates": [{"model": "small", "number": "error", "below": 0.0015}, {"model": "small", "number": "power", "above": 2}],
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "run.py").write_text(RUN)
    monkeypatch.setattr(runner, "ROOT", tmp_path / "studies")
    return folder


def log(toy):
    return (toy.parents[1] / "log").read_text().splitlines()


def test_numbers_are_set_beside_the_published_ones(runner, toy, tmp_path):
    table = runner.run_study("toy", directory=tmp_path / "out", workers=1, progress=False)
    rows = [line.split() for line in table.splitlines()[3:]]
    assert rows[0] == ["model", "number", "fits", "reached", "smallest", "largest", "published", "gate", "kept"]
    assert rows[1] == ["small", "error", "2/2", "0.0015", "0.001", "0.002", "0.0029", "<", "0.0015", "1/2"]
    assert rows[2] == ["small", "power", "2/2", "3", "3", "3", ">", "2", "2/2"]
    assert (tmp_path / "out" / "table.txt").read_text() == table + "\n"
    assert (tmp_path / "out" / "numbers.csv").read_text().splitlines() == [
        "model,seed,error,power",
        "small,0,0.001,3.0",
        "small,1,0.002,3.0",
    ]


def test_a_gate_counts_every_seed_asked_for(runner, toy, tmp_path):
    config = json.loads((toy / "config.json").read_text())
    config["models"]["unlucky"] = {"model": "node", "hidden": [8]}
    config["gates"].append({"model": "unlucky", "number": "error", "below": 1.0})
    (toy / "config.json").write_text(json.dumps(config))
    (toy / "run.py").write_text(RUN.replace("if seed == 2", "if seed == 2 or model.hidden == (8,)"))
    table = runner.run_study("toy", seeds=3, directory=tmp_path / "out", workers=1, progress=False)
    rows = [line.split() for line in table.splitlines()[4:7]]
    assert rows[0] == ["small", "error", "2/3", "0.0015", "0.001", "0.002", "0.0029", "<", "0.0015", "1/3"]
    assert rows[1] == ["small", "power", "2/3", "3", "3", "3", ">", "2", "2/3"]
    assert rows[2] == ["unlucky", "error", "0/3", "-", "-", "-", "<", "1", "0/3"]


def test_what_is_not_finite_keeps_no_gate_and_hides_no_seed(runner, toy):
    lost = {"error": [np.nan, np.inf, 0.001], "power": [3.0, np.inf, np.nan], "other": np.nan}
    numbers = pd.DataFrame({"model": "small", "seed": [0, 1, 2]} | lost)
    rows = [line.split() for line in runner._table(runner.load_config("toy"), numbers, 3).splitlines()]
    assert rows[1] == ["small", "error", "2/3", "inf", "0.001", "inf", "0.0029", "<", "0.0015", "1/3"]
    assert rows[2] == ["small", "power", "2/3", "inf", "3", "inf", ">", "2", "1/3"]
    assert len(rows) == 3


def test_what_is_finished_is_not_run_again(runner, toy, tmp_path):
    runner.run_study("toy", directory=tmp_path / "out", workers=1, progress=False)
    assert log(toy) == ["node (4,) 0", "node (4,) 1"]
    again = runner.run_study("toy", directory=tmp_path / "out", workers=1, progress=False, seeds=3)
    assert log(toy) == ["node (4,) 0", "node (4,) 1", "node (4,) 2"]
    assert "small-2 failed: RuntimeError: no luck" in again
    (toy / "run.py").write_text(RUN + "# changed\n")
    runner.run_study("toy", directory=tmp_path / "out", workers=1, progress=False, seeds=1)
    assert log(toy)[-1] == "node (4,) 0" and len(log(toy)) == 4


def test_a_table_is_not_lost_to_a_smaller_one(runner, toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner.run_study("toy", workers=1, progress=False)
    full = {file: (tmp_path / "runs" / "study-toy" / file).read_text() for file in ("table.txt", "numbers.csv")}
    one = runner.run_study("toy", workers=1, progress=False, seeds=1)
    small = runner.run_study("toy", workers=1, progress=False, quick=True)
    assert log(toy)[2:] == ["node (2,) 0"]
    assert full == {file: (tmp_path / "runs" / "study-toy" / file).read_text() for file in full}
    assert (tmp_path / "runs" / "study-toy" / "table-seeds-1.txt").read_text() == one + "\n"
    assert (tmp_path / "runs" / "study-toy" / "numbers-seeds-1.csv").read_text().splitlines()[1:] == ["small,0,0.001,3.0"]
    assert (tmp_path / "runs" / "study-toy-quick" / "table.txt").read_text() == small + "\n"
    with pytest.raises(ExistsError, match=r"study-toy/table.txt holds 'A toy', and this is 'A toy \(quick\)'; choose another folder"):
        runner.run_study("toy", directory=Path("runs/study-toy"), workers=1, progress=False, quick=True)


def test_a_quick_study_is_held_against_nothing(runner, toy, tmp_path):
    lines = runner.run_study("toy", directory=tmp_path / "out", workers=1, progress=False, quick=True).splitlines()
    assert lines[0] == "A toy (quick)"
    assert [line.split() for line in lines[4:]] == [
        ["small", "error", "1/1", "0.001", "0.001", "0.001"],
        ["small", "power", "1/1", "1", "1", "1"],
    ]


def test_a_damaged_cell_is_run_again(runner, toy, tmp_path):
    runner.run_study("toy", directory=tmp_path / "out", workers=1, progress=False, seeds=1)
    (cell,) = CellStore(tmp_path / "out" / "cells").root.iterdir()
    (cell / "numbers.json").write_text('{"error": 0.0, "power": 3.0}')
    with pytest.warns(UserWarning, match="numbers.json is not what was written"):
        table = runner.run_study("toy", directory=tmp_path / "out", workers=1, progress=False, seeds=1)
    assert "0.001" in table and len(log(toy)) == 2


def test_errors_name_the_fix(runner, toy, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown study 'toi'"):
        runner.run_study("toi")
    (toy / "config.json").write_text(json.dumps({"title": "x"}))
    with pytest.raises(FileFormatError, match=r"studies/toy/config.json lacks gates, models.*see studies/README.md"):
        runner.run_study("toy")
    shutil.rmtree(toy)


def test_when_every_fit_fails_it_says_so(runner, toy, tmp_path):
    (toy / "run.py").write_text("def run(settings, model, seed):\n    raise ValueError('always')\n")
    with pytest.raises(PhysodeError, match="every fit of the study toy failed; the first: small-0 failed: ValueError: always"):
        runner.run_study("toy", directory=tmp_path / "out", workers=1, progress=False)


@pytest.mark.parametrize("blocked", ["out", "out/cells"])
def test_a_folder_that_cannot_be_written_is_told_before_the_fits(runner, toy, tmp_path, blocked):
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).touch()
    with pytest.raises(OSError, match=blocked):
        runner.run_study("toy", directory=tmp_path / "out", workers=1, progress=False)
    assert not (toy.parents[1] / "log").exists()
