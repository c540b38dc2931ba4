"""Steps that keep what a system conserves."""

import json

import numpy as np
import pytest

from physode import lyapunov_spectrum, systems
from physode.analysis.kept import Kept, step_that_keeps

REST = {"theta1": np.pi / 2, "theta2": np.pi / 2, "p1": 0.0, "p2": 0.0}


def test_the_step_follows_the_drift_of_the_energy():
    double = systems.get("double-pendulum")
    states = double.sample_states(8, seed=0)
    short, long = (step_that_keeps(double, states, 0.05, duration) for duration in (10.0, 1000.0))
    assert long < short <= 0.05
    assert short / long == pytest.approx(100**0.25, rel=0.35)  # the drift per time falls with the fourth power of the step
    assert step_that_keeps(systems.get("lorenz"), np.ones((2, 3)), 0.01, 1e6) == 0.01


def test_what_all_states_share_is_no_measure():
    two = systems.get("two-body")
    states = two.sample_states(5, seed=1)
    moved = states + 1e-3
    spread = np.std(two.energy(two.sample_states(256, 0)))
    assert Kept(two).drift(states, moved) >= np.abs(two.energy(moved) - two.energy(states)).mean() / spread > 0
    assert np.isnan(Kept(systems.get("lorenz")).drift(np.ones((1, 3)), np.zeros((1, 3))))


def test_a_drift_is_told():
    double = systems.get("double-pendulum")
    coarse = lyapunov_spectrum(double, initial_states=REST, duration=100.0, transient=5.0, step=0.03)
    assert "a conserved quantity drifted by" in coarse.attrs["warnings"]
    fine = lyapunov_spectrum(double, initial_states=REST, duration=20.0, transient=5.0)
    assert json.loads(fine.attrs["checks"])["invariant_drift"] < 0.05
    assert "drifted" not in fine.attrs["warnings"] and "not on an attractor" not in fine.attrs["warnings"]
