"""Options that make no sense are refused where they are given, and one that does is kept as it may be written to a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import physode
from physode import systems
from physode.errors import PhysodeError
from physode.models import MODELS, get

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no step": ({"max_iterations": 0}, "max_iterations is 0; give a whole number, 1 or more"),
    "fewer steps than none": ({"max_iterations": -3}, "max_iterations is -3"),
    "half a step": ({"max_iterations": 2.5}, "max_iterations is 2.5"),
    "negative tolerance": ({"tolerance": -0.1}, "tolerance is -0.1; give a finite number, 0 or more"),
    "no tolerance": ({"tolerance": None}, "tolerance is None"),
    "tolerance nan": ({"tolerance": float("nan")}, "tolerance is nan"),
    "infinite tolerance": ({"tolerance": float("inf")}, "tolerance is inf"),
    "a single width": ({"hidden": 5}, r"hidden is 5; give the width of each hidden layer .*: hidden=\(32,\)"),
    "a width that is not whole": ({"hidden": (8, 2.7)}, r"hidden is \(8, 2.7\); give the width of each hidden layer"),
    "an empty layer": ({"hidden": (8, 0)}, r"hidden is \(8, 0\)"),
    "no device": ({"device": None}, "cannot compute on device None here"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_option_that_makes_no_sense_is_refused_by_every_model(case: str) -> None:
    settings, message = REFUSED[case]
    for name in MODELS:
        with pytest.raises(PhysodeError, match=message):
            get(name, **settings)


@pytest.mark.parametrize("name", ["anode", "phnn"])
@pytest.mark.parametrize("count", [-1, 1.5, "two"])
def test_augmented_components_are_counted(name: str, count: object) -> None:
    with pytest.raises(PhysodeError, match=f"n_augmented is {count!r}; give a whole number, 0 or more"):
        get(name, n_augmented=count)


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    return systems.get("harmonic-oscillator").simulate(np.linspace(0, 3, 20))


@pytest.mark.parametrize("seed", [-1, 0.5, "one", None])
def test_a_seed_is_a_whole_number(record: xr.Dataset, seed: Any) -> None:
    model = physode.NeuralODE(hidden=(2,), max_iterations=1)
    with pytest.raises(PhysodeError, match=f"seed is {seed!r}; give a whole number, 0 or more"):
        model.fit(record, seed=seed)
    with pytest.raises(PhysodeError, match=f"seed is {seed!r}; give a whole number, 0 or more"):
        physode.fit_seeds(model, record, seeds=[0, seed])


@pytest.mark.parametrize("budget", [0, -1, "x", float("nan")])
def test_a_time_budget_is_a_positive_number(record: xr.Dataset, budget: Any) -> None:
    with pytest.raises(PhysodeError, match=f"time_budget is {budget!r}; give a finite positive number"):
        physode.NeuralODE(hidden=(2,), max_iterations=1).fit(record, time_budget=budget)


def test_options_of_other_types_with_the_same_meaning_are_kept_as_plain_ones(record: xr.Dataset, tmp_path: Any) -> None:
    given: dict[str, Any] = {"hidden": np.array([3]), "max_iterations": np.int64(2), "tolerance": 0, "device": torch.device("cpu")}
    model = physode.NeuralODE(**given).fit(record, seed=np.int64(1), time_budget=np.float32(100))
    assert (model.hidden, model.max_iterations, model.tolerance, model.device) == ((3,), 2, 0.0, "cpu")
    model.save(tmp_path / "model.safetensors")
    again = physode.load(tmp_path / "model.safetensors")
    assert again.get_params() == model.get_params()
    plain = physode.NeuralODE(hidden=(3,), max_iterations=2, tolerance=0.0).fit(record, seed=1)
    xr.testing.assert_equal(again.predict(record), plain.predict(record))
