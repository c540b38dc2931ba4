"""`device` and `dtype` are honoured wherever a fit or a run computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import physode
from physode import systems
from physode.errors import PhysodeError, UnknownNameError
from physode.models import MODELS, get

ENERGETIC = (physode.HamiltonianNeuralODE, physode.PortHamiltonianNeuralODE)


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    return systems.get("pendulum").simulate(np.linspace(0, 3, 20), n_trajectories=2, noise=0.01, seed=2)


SETTINGS: dict[str, dict[str, Any]] = {
    "levenberg-marquardt": {"max_iterations": 6},
    "wide": {"hidden": (20,), "max_iterations": 6},  # in as many equations as there are residuals
    "lbfgs": {"optimizer": "lbfgs", "max_iterations": 10},
    "adam": {"optimizer": "adam", "max_iterations": 10},
    "implicit": {"solver": "implicit-midpoint", "max_iterations": 2},  # by L-BFGS
    "adaptive": {"solver": "dopri5", "max_iterations": 1},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_single_precision_is_kept_throughout(record: xr.Dataset, settings: dict[str, Any]) -> None:
    model = physode.SecondOrderNeuralODE(**{"hidden": (4,), "dtype": "float32", **settings}).fit(record)
    assert model.dtype == np.float32
    assert {parameter.dtype for parameter in model.module_.parameters()} == {torch.float32}
    reference = physode.SecondOrderNeuralODE(**{"hidden": (4,), **settings}).fit(record)
    assert model.result_.loss == pytest.approx(reference.result_.loss, rel=0.2)
    run, exact = (one.predict(record) for one in (model, reference))
    assert run["theta"].dtype == np.float64  # a record is always float64
    assert float(abs(run["theta"] - exact["theta"]).max()) < 0.1
    assert not np.array_equal(run["theta"], exact["theta"])


@pytest.mark.parametrize("name", MODELS)
def test_single_precision_in_every_family(record: xr.Dataset, name: str, tmp_path: Any) -> None:
    model = get(name, hidden=(3,), dtype="float32", max_iterations=4).fit(record)
    model.save(tmp_path / "model.safetensors")
    again = physode.load(tmp_path / "model.safetensors")
    assert again.dtype == np.float32
    xr.testing.assert_equal(again.predict(record), model.predict(record))
    states = model.sample_states(5, seed=0)
    assert model.rhs(0.0, states).dtype == np.float64
    np.testing.assert_allclose(model.jvp(0.0, states, np.ones_like(states)), again.jvp(0.0, states, np.ones_like(states)))
    if isinstance(model, ENERGETIC):
        assert model.hamiltonian(states).dtype == np.float64
        assert np.ptp(model.hamiltonian(states)) > 0


@pytest.mark.parametrize(
    ("name", "how"), [*((name, "levenberg-marquardt") for name in MODELS), *(("sonode", how) for how in list(SETTINGS)[1:])]
)
def test_no_tensor_is_made_on_a_default_device(record: xr.Dataset, name: str, how: str) -> None:
    """A tensor made without naming the device lies on the meta device here, and cannot meet one that was asked for on the CPU."""
    with torch.device("meta"):
        model = get(name, **{"hidden": (3,), "device": "cpu", "max_iterations": 5, **SETTINGS[how]})
        model.fit(record.isel(trajectory=[1]), validation=record.isel(trajectory=[0], time=slice(10)))
        run = model.predict(record, warmup=3)
        slopes = model.rhs(0.0, model.sample_states(3, seed=0))
        ahead = model.simulate(dict.fromkeys(model._fitted().layout.observed, 0.1), np.linspace(0, 1, 5))
    assert {parameter.device.type for parameter in model.module_.parameters()} == {"cpu"}
    assert np.isfinite(slopes).all()
    assert all(np.isfinite(found[state]).all() for found in (run, ahead) for state in model.states)


def test_a_device_or_type_that_is_not_there_is_named() -> None:
    with pytest.raises(PhysodeError, match=r"this torch cannot compute on device 'cuda:99' here; use device='cpu'"):
        physode.NeuralODE(device="cuda:99")
    with pytest.raises(PhysodeError, match="cannot compute on device 'gpu'"):
        physode.NeuralODE(device="gpu")
    with pytest.raises(PhysodeError, match="cannot compute on device 'meta'"):
        physode.NeuralODE(device="meta")
    with pytest.raises(UnknownNameError, match="unknown dtype 'float16'"):
        physode.NeuralODE(dtype="float16")


def test_a_model_of_a_device_that_is_not_there_is_read_where_it_can_be(
    record: xr.Dataset, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    model = physode.NeuralODE(hidden=(3,), max_iterations=2).fit(record)
    model.device = "cuda:99"
    model.save(path)
    again = physode.load(path)
    assert again.device == "cpu"
    model.device = "cpu"
    xr.testing.assert_equal(again.predict(record), model.predict(record))
