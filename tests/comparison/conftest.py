"""Helpers that spawned processes import too must be found by a plain name: their parent's sys.path is all that they get."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import pytest
from fake_models import LinearOscillator

from physode import systems
from physode.comparison import compare


@pytest.fixture(scope="session")
def record():
    return systems.get("damped-oscillator").simulate(np.linspace(0, 8, 41), n_trajectories=6, observe=["x"], noise=0.01, seed=0)


@pytest.fixture(scope="session")
def models():
    return {"good": LinearOscillator(), "biased": LinearOscillator(bias=0.3), "unlucky": LinearOscillator(trouble="raise")}


@pytest.fixture(scope="session")
def tree(record, models):
    return compare(models, record, seeds=2, workers=1)


@pytest.fixture(scope="session")
def conservative(models):
    ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 8, 41), n_trajectories=6, observe=["x"], noise=0.01, seed=0)
    return compare({name: models[name] for name in ("good", "biased")}, ds, seeds=1, workers=1)
