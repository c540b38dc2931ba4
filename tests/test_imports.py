"""Who may import whom (the contracts are in pyproject.toml), and what `import physode` must not do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import physode

ROOT = Path(__file__).parents[1]


def run(code: str, folder: Path) -> str:
    """Run code in a fresh interpreter in a folder of its own; give what it prints."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_go_down_the_layers():
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "0 broken" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


def test_import_has_no_side_effects(tmp_path):
    code = """
import json, logging, os, sys, warnings
import matplotlib, numpy, pandas, scipy.integrate, scipy.stats, sympy, xarray  # they set filters of their own
before = dict(matplotlib.rcParams), list(warnings.filters), logging.root.level, dict(os.environ)
import physode
for name in ("errors", "trajectories", "systems", "analysis", "plotting", "datasets"):
    getattr(physode, name)
after = dict(matplotlib.rcParams), list(warnings.filters), logging.root.level, dict(os.environ)
talkative = [type(h).__name__ for n in ("", "physode") for h in logging.getLogger(n).handlers if not isinstance(h, logging.NullHandler)]
print(json.dumps({"changed": [name for name, a, b in zip(("rcParams", "warnings", "log level", "environment"), before, after) if a != b],
                  "handlers": talkative, "torch": "torch" in sys.modules, "pyplot": "matplotlib.pyplot" in sys.modules}))
"""
    found = json.loads(run(code, tmp_path))
    assert found == {"changed": [], "handlers": [], "torch": False, "pyplot": False}
    assert list(tmp_path.iterdir()) == []


def test_import_is_quick_and_loads_no_science(tmp_path):
    code = """
import sys, time
start = time.process_time()
import physode
seconds = time.process_time() - start
heavy = sorted({"torch", "numpy", "scipy", "xarray", "pandas", "sympy", "matplotlib"} & set(sys.modules))
print(seconds, heavy)
"""
    seconds, heavy = run(code, tmp_path).split(maxsplit=1)
    assert float(seconds) < 0.5
    assert heavy.strip() == "[]"


def test_every_public_name_can_be_had():
    for name in physode.__all__:
        assert getattr(physode, name) is not None, name


def test_function_wins_over_the_module_of_its_name(tmp_path):
    assert run("import physode.citation, physode; print(callable(physode.citation))", tmp_path) == "True\n"


def test_systems_refuses_to_be_loaded_twice():
    done = subprocess.run([sys.executable, "-c", "import systems"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "imported as physode.systems" in done.stderr


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="lyapunof"):
        physode.lyapunof  # noqa: B018
