"""Alignment indices: the published Henon-Heiles orbits, and rates that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_standins import Lorenz, linear
from perfect_model import perfect_model

from physode import systems
from physode.analysis.alignment import alignment_index
from physode.errors import PhysodeError


@pytest.fixture(scope="module")
def henon_heiles():
    """A regular, a quasi-periodic and a chaotic orbit."""
    start = [[0.0, 0.295456, 0.407308431, 0.0], [0.0, 0.483, 0.27898039, 0.0], [0.0, -0.25, 0.42081, 0.0]]
    return alignment_index(systems.get("henon-heiles"), n_vectors=4, initial_states=start)


def test_regular_orbits_of_henon_and_heiles_keep_their_indices(henon_heiles):
    assert henon_heiles.time[-1] == 1000.0
    regular = henon_heiles.alignment_index.isel(trajectory=slice(2))
    assert regular.sel(order=2).min() > 0.01
    assert regular.sel(order=4).min() > 1e-9
    assert regular.sel(order=4).isel(time=-1).max() < 1e-4  # it falls, as a power of time
    assert np.isnan(henon_heiles.crossing_time.isel(trajectory=slice(2))).all()


def test_the_chaotic_orbit_falls_to_zero_and_ends(henon_heiles):
    chaotic = henon_heiles.isel(trajectory=2)
    two, three, four = chaotic.crossing_time.values
    assert four < three < two < 1000.0
    for order, crossing in ((2, two), (3, three), (4, four)):
        index = chaotic.alignment_index.sel(order=order)
        assert index.sel(time=crossing) < henon_heiles.attrs["threshold"] == 1e-12
        assert (index.sel(time=slice(0, crossing - 1)) >= 1e-12).all()
        assert np.isnan(index.sel(time=slice(crossing + 1, None))).all()
    assert np.isnan(chaotic.smaller_alignment_index.isel(time=-1))


def test_sali_and_gali_2_are_two_measures_of_one_angle(henon_heiles):
    sali, gali = henon_heiles.smaller_alignment_index, henon_heiles.alignment_index.sel(order=2)
    np.testing.assert_allclose((sali * np.sqrt(4 - sali**2) / 2).values, gali.values, rtol=1e-3, atol=1e-15)


@pytest.mark.parametrize(("size", "duration"), [(1e6, 150.0), (1e-6, 40.0)])
def test_a_regular_orbit_is_regular_in_any_unit(size, duration):
    equations = {"x": "px", "y": "py", "px": "-x - 2*x*y", "py": "-y - (x/s)**2 + y**2"}
    ranges = {"x": (-0.1 * size, 0.1 * size), "y": (-0.1, 0.1), "px": (-0.1 * size, 0.1 * size), "py": (-0.1, 0.1)}
    field = systems.define("scaled", equations, {"s": size}, ranges=ranges)
    start = {"x": 0.0, "y": 0.0, "px": 0.3 * size, "py": 0.2}
    found = alignment_index(field, n_vectors=3, initial_states=start, duration=duration)
    assert np.isnan(found.crossing_time).all()
    assert found.alignment_index.sel(order=2).isel(time=-1) > 0.01
    assert found.attrs["step"] == pytest.approx(0.116, rel=0.05)


def test_they_fall_at_the_rates_of_the_exponents():
    found = alignment_index(linear(np.diag([1.0, 0.6, -0.6, -1.0])), n_vectors=3, initial_states=np.zeros(4), duration=40.0, interval=0.5)
    logs = np.log(found.alignment_index.isel(trajectory=0))
    for order, rate, last in ((2, -0.4, 40.0), (3, -0.4 - 1.6, 11.0)):
        part = logs.sel(order=order, time=slice(5.0, last))
        assert np.polyfit(part.time, part, 1)[0] == pytest.approx(rate, rel=0.01)
    assert found.attrs["warnings"] == "none"


def test_the_first_frame_is_orthonormal_and_the_seed_changes_it():
    turn = linear([[0.0, 1.0, 0, 0], [-1.0, 0, 0, 0], [0, 0, 0, 2.0], [0, 0, -2.0, 0]])
    first, same, other = (alignment_index(turn, n_trajectories=2, duration=3.0, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_allclose(first.alignment_index, 1.0, atol=1e-3)  # rotation keeps it
    np.testing.assert_allclose(first.smaller_alignment_index[:, 0], np.sqrt(2), rtol=1e-12)
    assert first.identical(same)
    saddle = linear(np.diag([1.0, 0.6, -0.6, -1.0]))
    one, two = (alignment_index(saddle, n_trajectories=1, duration=3.0, seed=seed).alignment_index.values for seed in (0, 1))
    assert not np.allclose(one, two, rtol=1e-3)
    assert other.sizes["time"] == 4


def test_a_perfect_model_agrees_with_its_system():
    system, model = perfect_model("coupled-oscillators")
    settings = {"n_vectors": 4, "step": 0.05, "interval": 1.0, "duration": 50.0, "initial_states": system.sample_states(3, 0)}
    ours, theirs = alignment_index(model, **settings), alignment_index(system, **settings)
    np.testing.assert_allclose(ours.alignment_index, theirs.alignment_index, rtol=1e-8)
    assert theirs.alignment_index.min() > 0.01


def test_what_the_index_cannot_say_is_told():
    found = alignment_index(Lorenz(), n_trajectories=2, duration=5.0)
    assert "with 3 states" in found.attrs["warnings"]
    assert "volume is not kept (mean divergence -14)" in found.attrs["warnings"]
    up = alignment_index(linear(np.diag([1.0, 0.5, -0.5, -1.0])), initial_states=[[1.0, 0, 0, 0], [0, 0, 0, 1.0]], duration=20.0)
    assert up.attrs["warnings"].startswith("1 trajectories diverged")
    assert np.isnan(up.alignment_index.isel(trajectory=0, time=-1))
    assert up.alignment_index.isel(trajectory=1, time=-1) > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_vectors": 1}, "n_vectors is 1; 'lorenz' has 3 states, so ask for 2 to 3"),
        ({"n_vectors": 4}, "n_vectors is 4"),
        ({"interval": -1.0}, "interval is -1.0; give a finite positive number."),
    ],
)
def test_wrong_arguments_are_told(wrong, message):
    with pytest.raises(PhysodeError, match=message):
        alignment_index(Lorenz(), **wrong)
