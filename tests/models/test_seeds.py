"""A seed and a record make the fit, whatever else torch is used for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import physode
from physode import systems
from physode.fields.members import get_theta


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    return systems.get("damped-oscillator").simulate(np.linspace(0, 20, 600), n_trajectories=10, noise=0.01, seed=1)


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def theta(model: physode.NeuralODE) -> torch.Tensor:
    return get_theta(model.module_)[0]


def small(optimizer: str = "auto") -> physode.NeuralODE:
    return physode.NeuralODE(hidden=(4,), max_iterations=6, optimizer=optimizer)


def test_minibatches_are_those_of_the_seed(record: xr.Dataset) -> None:
    alone = theta(small("adam").fit(record, seed=3))
    assert torch.equal(alone, theta(small("adam").fit(record, seed=3, callback=lambda _: torch.rand(1))))
    assert not torch.equal(alone, theta(small("adam").fit(record, seed=4)))
    members = physode.fit_seeds(small("adam"), record, seeds=[0, 3])
    torch.testing.assert_close(theta(members[3]), alone, rtol=1e-9, atol=1e-12)


def test_first_weights_do_not_hang_on_the_default_type(record: xr.Dataset, double: None) -> None:
    wide = theta(small().fit(record.isel(trajectory=[0])))
    torch.set_default_dtype(torch.float32)
    assert torch.equal(wide, theta(small().fit(record.isel(trajectory=[0]))))


@pytest.mark.parametrize("optimizer", ["levenberg-marquardt", "lbfgs", "adam"])
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_gradients_may_be_off_around_a_fit(optimizer: str, context: type, record: xr.Dataset, tmp_path: Path) -> None:
    few = record.isel(trajectory=[0], time=slice(100))
    with context():
        model = small(optimizer).fit(few)
        model.save(tmp_path / "model")
        again = physode.load(tmp_path / "model")
    assert torch.equal(theta(model), theta(small(optimizer).fit(few)))
    states = model.sample_states(3, seed=0)
    np.testing.assert_array_equal(model.rhs(0.0, states), again.rhs(0.0, states))


def test_random_numbers_of_the_user_go_on(record: xr.Dataset, tmp_path: Path) -> None:
    drawn: list[torch.Tensor] = []
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    model = small().fit(record.isel(trajectory=[0]), callback=lambda _: drawn or drawn.append(torch.rand(1)))
    model.save(tmp_path / "model")
    physode.load(tmp_path / "model")
    assert torch.equal(torch.cat([*drawn, torch.rand(1)]), expected)
