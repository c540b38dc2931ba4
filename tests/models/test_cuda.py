"""On a graphics card a fit takes the same steps as on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import physode
from physode import systems
from physode.analysis import lyapunov_spectrum
from physode.models import MODELS, AbstractModel, get
from physode.solvers.adjoint import ADJOINTS
from physode.training import Progress, StopFit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

BY_ADAM: dict[str, Any] = {"optimizer": "adam", "max_iterations": 3}
SETTINGS: dict[str, dict[str, Any]] = {
    "wide": {"hidden": (20,)},
    "lbfgs": {"optimizer": "lbfgs", "max_iterations": 3},
    "adam": {"optimizer": "adam", "max_iterations": 10},
    "implicit": {"solver": "implicit-midpoint", **BY_ADAM},
    **{kind: {"solver": "dopri5", "gradient": kind, **BY_ADAM} for kind in ("backprop", *ADJOINTS)},
}


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    return systems.get("pendulum").simulate(np.linspace(0, 3, 20), n_trajectories=2, noise=0.01, seed=2)


def both(name: str, record: xr.Dataset, **settings: Any) -> tuple[AbstractModel, AbstractModel]:
    """Fit on the processor and on the card."""
    settings = {"hidden": (4,), "max_iterations": 4, **settings}
    first, second = (get(name, device=device, **settings).fit(record) for device in ("cpu", "cuda"))
    assert {parameter.device.type for parameter in second.module_.parameters()} == {"cuda"}
    return first, second


def assert_alike(ours: AbstractModel, theirs: AbstractModel, record: xr.Dataset, rtol: float, **how: Any) -> None:
    assert ours.result_.n_iterations == theirs.result_.n_iterations
    assert ours.result_.loss == pytest.approx(theirs.result_.loss, rel=rtol)
    run, other = ours.predict(record, **how), theirs.predict(record, **how)
    for name in ours.states:
        size = float(other[name].std())
        np.testing.assert_allclose(run[name], other[name], rtol=0, atol=rtol * size, err_msg=name)


@pytest.mark.parametrize("name", MODELS)
def test_the_same_numbers(record: xr.Dataset, name: str) -> None:
    processor, card = both(name, record)
    assert_alike(card, processor, record, 1e-5)
    states = processor.sample_states(5, seed=0)
    np.testing.assert_allclose(card.rhs(0.0, states), processor.rhs(0.0, states), rtol=1e-4, atol=1e-4)
    along = np.ones_like(states)
    np.testing.assert_allclose(card.jvp(0.0, states, along), processor.jvp(0.0, states, along), rtol=1e-3, atol=1e-3)
    if isinstance(card, physode.HamiltonianNeuralODE | physode.PortHamiltonianNeuralODE):
        assert isinstance(processor, type(card))
        np.testing.assert_allclose(np.ptp(card.hamiltonian(states)), np.ptp(processor.hamiltonian(states)), rtol=1e-3)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_by_every_optimiser_solver_and_gradient(record: xr.Dataset, settings: dict[str, Any]) -> None:
    processor, card = both("sonode", record, **settings)
    assert_alike(card, processor, record, 1e-3)


def test_single_precision(record: xr.Dataset) -> None:
    processor, card = both("sonode", record, dtype="float32")
    assert {parameter.dtype for parameter in card.module_.parameters()} == {torch.float32}
    assert_alike(card, processor, record, 1e-2)


def test_latent_states_gaps_and_warmup() -> None:
    swings = systems.get("pendulum").simulate(np.linspace(0, 4, 30), n_trajectories=2, observe=["theta"], noise=0.02, seed=3)
    swings["theta"][0, 7:10] = np.nan
    for name in ("anode", "sonode"):
        assert_alike(*both(name, swings), swings, 1e-5, warmup=10)


def test_windows_that_are_drawn() -> None:
    long = systems.get("van-der-pol").simulate(np.linspace(0, 60, 2_000), noise=0.05, seed=1)
    processor, card = both("node", long, hidden=(3,))
    assert_alike(card, processor, long.isel(time=slice(60)), 1e-4)


def test_members_are_the_models_alone(record: xr.Dataset) -> None:
    together = physode.fit_seeds(physode.NeuralODE(hidden=(4,), max_iterations=4, device="cuda"), record, 3)
    elsewhere = physode.fit_seeds(physode.NeuralODE(hidden=(4,), max_iterations=4), record, 3)
    alone = physode.NeuralODE(hidden=(4,), max_iterations=4, device="cuda").fit(record, seed=2)
    assert_alike(together[2], alone, record, 1e-6)
    for seed, member in together.items():
        assert_alike(member, elsewhere[seed], record, 1e-5)


def test_a_stopped_fit_goes_on_and_a_file_holds_the_model(record: xr.Dataset, tmp_path: Path) -> None:
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 8:
            raise StopFit("enough")

    settings: dict[str, Any] = {"hidden": (4,), "max_iterations": 4, "device": "cuda"}
    whole = physode.SecondOrderNeuralODE(**settings).fit(record)
    assert physode.SecondOrderNeuralODE(**settings).fit(record, checkpoint=tmp_path / "fit", callback=stop).result_.status == "stopped"
    resumed = physode.SecondOrderNeuralODE(**settings).fit(record, checkpoint=tmp_path / "fit")
    assert_alike(resumed, whole, record, 1e-9)
    resumed.save(tmp_path / "model.safetensors")
    again = physode.load(tmp_path / "model.safetensors")
    assert again.device == "cuda"
    xr.testing.assert_equal(again.predict(record), resumed.predict(record))


def test_a_fit_leaves_the_random_numbers_of_the_card_alone(record: xr.Dataset) -> None:
    for device in ("cpu", "cuda"):
        torch.cuda.manual_seed(3)
        expected = torch.rand(3, device="cuda")
        torch.cuda.manual_seed(3)
        physode.NeuralODE(hidden=(3,), max_iterations=2, device=device).fit(record)
        assert torch.equal(torch.rand(3, device="cuda"), expected)


def test_exponents_of_a_model_on_the_card(record: xr.Dataset) -> None:
    spectra = [lyapunov_spectrum(model, step=0.02, duration=2.0, transient=0.0, n_trajectories=4) for model in both("node", record)]
    for name in spectra[0].data_vars:
        np.testing.assert_allclose(spectra[1][name], spectra[0][name], rtol=1e-3, atol=1e-3, err_msg=str(name))
