"""A chaotic record: the fit ends, and what it learned has the attractor's exponents."""

from __future__ import annotations

import time as clock

import numpy as np
import pytest

import physode
from physode import systems

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(3))
def test_the_lorenz_attractor_is_learned(seed: int) -> None:
    record = systems.get("lorenz").simulate(np.linspace(0.0, 20.0, 1001), n_trajectories=20, seed=0)
    began = clock.process_time()
    model = physode.NeuralODE().fit(record, seed=seed)
    assert clock.process_time() - began < 120
    result = model.result_
    assert result.status == "converged" and result.loss < 5e-4
    assert 0.3 < result.window < 5.0  # about a Lyapunov time, 1.1
    found = physode.lyapunov_spectrum(model)
    assert float(found["lyapunov_exponent"][0]) == pytest.approx(0.9056, rel=0.05)
    assert float(found["kaplan_yorke_dimension"]) == pytest.approx(2.062, abs=0.02)
