"""Networks with more parameters than a short record has measurements, and records of many states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import physode
from physode import systems
from physode.models import train


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The optimisers that fits took."""
    names: list[str] = []
    choose = train._optimizer

    def noted(*arguments: Any) -> str:
        names.append(choose(*arguments))
        return names[-1]

    monkeypatch.setattr(train, "_optimizer", noted)
    return names


def test_a_wide_network_is_fitted_by_its_curvature_on_a_short_record(chosen: list[str]) -> None:
    system = systems.get("lotka-volterra")
    record = system.simulate(np.linspace(0, 10, 51), {"x": 1.0, "y": 1.0})
    truth = system.simulate(np.linspace(0, 10, 101), {"x": 1.0, "y": 1.0})
    wide = physode.NeuralODE(hidden=(64, 64)).fit(record)
    assert wide.n_parameters > 4000 and chosen == ["levenberg-marquardt"]
    for name in ("x", "y"):
        assert float(abs(wide.predict(truth)[name] - truth[name]).max()) < 2e-4


@pytest.mark.parametrize(
    ("model", "n_times", "expected"),
    [
        (physode.NeuralODE(hidden=(64, 64)), 100, "levenberg-marquardt"),
        (physode.NeuralODE(hidden=(64, 64)), 600, "lbfgs"),
        (physode.NeuralODE(hidden=(30,)), 600, "levenberg-marquardt"),
        (physode.NeuralODE(hidden=(64, 64), solver="dopri5"), 100, "lbfgs"),
        (physode.NeuralODE(hidden=(200, 200)), 300, "lbfgs"),
    ],
)
def test_the_optimiser_is_that_of_the_smaller_system(model: physode.NeuralODE, n_times: int, expected: str) -> None:
    record = systems.get("lotka-volterra").simulate(np.linspace(0, 10, n_times), {"x": 1.0, "y": 1.0})
    layout = model._layout(record)
    with torch.random.fork_rng(devices=[]):
        assert train._optimizer(model, model._field(layout), 2 * n_times) == expected


def test_many_states_are_predicted_on_several_threads() -> None:
    record = systems.get("lorenz-96", cells=160).simulate(np.linspace(0, 0.4, 3), n_trajectories=2, seed=0)
    model = physode.NeuralODE(hidden=(2,), max_iterations=2).fit(record)
    before, runs = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            runs.append(model.predict(record, warmup=2).to_dataarray().values)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-8, atol=1e-8)
