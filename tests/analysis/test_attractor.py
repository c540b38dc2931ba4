"""Long-term distances against the values that are known for Lorenz' system."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_standins import Lorenz, linear, pendulum, van_der_pol

from physode.analysis.attractor import attractor_distance, spectrum_distance, state_space_divergence
from physode.errors import DataError


@pytest.fixture(scope="module")
def itself():
    return attractor_distance(Lorenz(), Lorenz(), step=0.01, seed=3, n_trajectories=100)


def test_a_system_agrees_with_itself_and_the_floor_is_the_known_one(itself):
    assert itself.state_space_divergence == 0.0
    assert (itself.spectrum_distance == 0.0).all()
    assert itself.state_space_divergence_floor.item() == pytest.approx(0.04, abs=0.02)
    assert (itself.spectrum_distance_floor < 0.08).all()
    assert itself.n_diverged == 0


def test_a_fixed_point_is_far_from_the_attractor(itself):
    dead = attractor_distance(Lorenz(rho=20.0), Lorenz(), step=0.02, n_points=20_000, n_trajectories=100)
    assert dead.state_space_divergence.item() > 13.0
    assert dead.state_space_divergence_floor > 2 * itself.state_space_divergence_floor  # too few points raise the floor


def test_divergence_of_known_distributions_and_points_outside():
    rng = np.random.default_rng(0)
    true, made = rng.random((200_000, 1)), np.sqrt(rng.random((200_000, 1)))  # densities 1 and 2x: divergence 1 - ln 2
    divergence, outside = state_space_divergence(true, made, 200)
    assert divergence == pytest.approx(1 - np.log(2), abs=0.03)
    assert outside == 0.0
    moved = made.copy()
    moved[:50_000] += 10.0
    worse, outside = state_space_divergence(true, moved, 200)
    assert outside == pytest.approx(0.25, abs=1e-12)
    assert worse == pytest.approx(divergence - np.log(0.75), abs=0.03)


def test_spectrum_distance_sees_the_pace_and_needs_smoothing():
    time, rng = np.arange(4000) * 0.1, np.random.default_rng(0)
    phases = rng.uniform(0, 2 * np.pi, (5, 1))
    slow, same, fast = (np.sin(w * time + phases + p)[..., None] for w, p in ((1.0, 0.0), (1.0, 1.0), (1.2, 0.0)))
    assert spectrum_distance(slow, same)[0] < 0.05
    assert spectrum_distance(slow, fast)[0] > 0.7
    one, two = rng.standard_normal((2, 1, 20_000, 1))
    assert spectrum_distance(one, two, 0.0)[0] > 0.4
    assert spectrum_distance(one, two, 20.0)[0] < 0.1


def test_models_that_run_away_or_share_nothing_are_told():
    away = linear([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    away.states = ("x", "y", "z")
    gone = attractor_distance(away, Lorenz(), n_points=100)
    assert np.isnan(gone.state_space_divergence)
    assert gone.n_diverged == 20
    with pytest.raises(DataError, match="'pendulum' and 'lorenz' share 0 states"):
        attractor_distance(pendulum(), Lorenz())


@pytest.mark.slow
def test_bins_smoothing_seed_points_and_step_change_what_is_measured():
    slow, fast = van_der_pol(1.0), van_der_pol(1.5)
    settings = {"n_points": 4000, "n_trajectories": 4, "step": 0.1}

    def measured(**changed):
        found = attractor_distance(fast, slow, **(settings | changed))
        return np.array([found.state_space_divergence, found.state_space_divergence_floor, *found.spectrum_distance])

    plain, shown, drawn = measured(), measured(n_bins=3, smoothing=0.0), measured(seed=5, n_points=1000, step=0.2)
    assert (shown[:2] < 0.5 * plain[:2]).all()  # wide bins see little
    assert (shown[2:] > plain[2:]).all()  # without smoothing every line counts
    assert drawn[1] > plain[1]  # few points make a high floor
    assert (np.abs(drawn[2:] - plain[2:]) > 1e-3).all()
