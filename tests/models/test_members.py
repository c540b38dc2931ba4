"""Members that are fitted together are the models that they would be alone."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import physode
from physode import systems
from physode.errors import DataError, PhysodeError
from physode.models.members import fit_records


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    """Two noisy swings with a gap; the velocity was not measured."""
    swings = systems.get("pendulum").simulate(
        np.linspace(0, 4, 30), {"theta": [1.0, -0.4], "omega": 0.0}, observe=["theta"], noise=0.02, seed=3
    )
    swings["theta"][0, 7:10] = np.nan
    return swings


@pytest.mark.parametrize("make", [physode.SecondOrderNeuralODE, physode.HamiltonianNeuralODE])
def test_members_equal_models_fitted_alone(make: type[physode.models.AbstractModel]) -> None:
    record = systems.get("pendulum").simulate(np.linspace(0, 3, 20), n_trajectories=2, noise=0.02, seed=3)
    model = make(hidden=(4,), max_iterations=4)  # before rounding grows: towards the end of a fit the number of steps hangs on it
    together = physode.fit_seeds(model, record, seeds=[0, 5, 2])
    assert list(together) == [0, 5, 2] and model.dynamics_ is None
    for seed, member in together.items():
        alone = make(hidden=(4,), max_iterations=4).fit(record, seed=seed)
        assert member.result_.n_iterations == alone.result_.n_iterations
        assert member.result_.status == alone.result_.status
        assert member.result_.loss == pytest.approx(alone.result_.loss, rel=1e-5)
        assert len(member.result_.history["loss"]) == member.result_.n_iterations
        for name, level in alone.result_.noise_std.items():
            assert member.result_.noise_std[name] == pytest.approx(level, rel=1e-4)
        xr.testing.assert_allclose(member.predict(record), alone.predict(record), rtol=1e-4, atol=1e-5)
        assert member.seen(record).all()
    losses = {member.result_.loss for member in together.values()}
    assert len(losses) == 3


def test_by_gradient_descent_members_follow_one_another(record: xr.Dataset) -> None:
    model = physode.SecondOrderNeuralODE(hidden=(3,), optimizer="lbfgs", max_iterations=10)
    together = physode.fit_seeds(model, record, seeds=2)
    alone = physode.SecondOrderNeuralODE(hidden=(3,), optimizer="lbfgs", max_iterations=10).fit(record, seed=1)
    assert together[1].result_.loss == pytest.approx(alone.result_.loss, rel=1e-6)


def test_each_member_may_have_a_record_of_its_own(record: xr.Dataset) -> None:
    other = record.assign(theta=record["theta"] + 0.1 * np.sin(9 * record["time"]))
    model = physode.SecondOrderNeuralODE(hidden=(3,), max_iterations=6)
    first, second = fit_records(model, [record, other], [0, 1]).values()
    alone = physode.SecondOrderNeuralODE(hidden=(3,), max_iterations=6).fit(record, seed=0)
    assert first.result_.loss == pytest.approx(alone.result_.loss, rel=1e-5)
    assert second.result_.loss > 1.5 * first.result_.loss  # the ripple is no motion of a pendulum
    with pytest.raises(DataError, match="the same times, inputs and gaps"):
        fit_records(model, [record, record.isel(time=slice(20))], [0, 1])


def test_seeds_are_checked(record: xr.Dataset) -> None:
    assert list(physode.fit_seeds(physode.NeuralODE(hidden=(1,), max_iterations=1), record, np.arange(3).max())) == [0, 1]
    with pytest.raises(PhysodeError, match=r"seeds are \[1, 1\]; give at least one, and each once"):
        physode.fit_seeds(physode.NeuralODE(), record, seeds=[1, 1])
    with pytest.raises(PhysodeError, match=r"seeds is 2.0; give a whole number, 1 or more, or different ones in a list"):
        physode.fit_seeds(physode.NeuralODE(), record, seeds=2.0)
