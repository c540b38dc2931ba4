"""The simplified Wolf estimate: its two biases are the ones that are documented."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from analysis_standins import Lorenz, linear
from perfect_model import perfect_model

from physode import systems
from physode.analysis.lyapunov import lyapunov_spectrum
from physode.analysis.wolf import largest_exponent_wolf
from physode.errors import PhysodeError


def test_turning_towards_the_fastest_direction_costs_ln_2_over_the_duration():
    found = largest_exponent_wolf(linear(np.diag([1.0, -1.0])), initial_states=np.zeros((4000, 2)), duration=8.0)
    assert found.lyapunov_exponent.item() == pytest.approx(1 - np.log(2) / 8, abs=4 * found.standard_error.item())
    assert found.standard_error.item() == pytest.approx(np.pi / np.sqrt(12) / 8 / np.sqrt(4000), rel=0.05)  # of ln|cos| of a random angle


def test_lorenz_within_its_bias_until_the_distance_saturates():
    found = largest_exponent_wolf(Lorenz(), duration=10.0, transient=10.0)
    assert found.lyapunov_exponent.item() == pytest.approx(0.9056, abs=0.1)
    assert found.attrs["warnings"] == "none"
    saturated = largest_exponent_wolf(Lorenz(), duration=40.0, transient=10.0)
    assert saturated.lyapunov_exponent.item() < 0.5
    assert "the estimate is too small; use a shorter duration or a smaller radius" in saturated.attrs["warnings"]
    smaller = largest_exponent_wolf(Lorenz(), duration=10.0, transient=10.0, radius=1e-4)
    assert "the estimate is too small" in smaller.attrs["warnings"]


def test_separation_starts_on_the_sphere_and_gives_the_estimate():
    found = largest_exponent_wolf(Lorenz(), duration=3.0, transient=1.0, radius=1e-5, n_trajectories=5)
    np.testing.assert_allclose(found.separation[:, 0], 1e-5, rtol=1e-6)
    np.testing.assert_allclose(found.trajectory_exponent[:, 0], np.log(found.separation[:, -1] / 1e-5) / 3.0, rtol=1e-6)
    assert found.lyapunov_exponent.item() == pytest.approx(found.trajectory_exponent.mean().item(), rel=1e-12)
    assert (found.time[0], found.time[-1]) == (1.0, pytest.approx(4.0))
    assert found.lyapunov_exponent.attrs["units"] == "s-1"
    other = largest_exponent_wolf(Lorenz(), duration=3.0, transient=1.0, radius=1e-5, n_trajectories=5, seed=1)
    assert not np.allclose(other.trajectory_exponent, found.trajectory_exponent, rtol=1e-3)


def test_neither_the_estimate_nor_its_warnings_depend_on_the_units():
    def lorenz(size):
        equations = {"x": "10*(s*y - x)", "y": "x/s*(28 - z) - y", "z": "x/s*y - 8/3*z"}
        ranges = {"x": (-15.0 * size, 15.0 * size), "y": (-20.0, 20.0), "z": (5.0, 45.0)}
        return systems.define("scaled", equations, {"s": size}, ranges=ranges)

    one, large, small = (largest_exponent_wolf(lorenz(s), duration=8.0, transient=2.0, step=0.02) for s in (1.0, 2.0**20, 2.0**-20))
    for found in (large, small):  # the sphere's directions differ
        assert found.lyapunov_exponent.item() == pytest.approx(one.lyapunov_exponent.item(), abs=0.1)
        assert found.attrs["warnings"] == one.attrs["warnings"] == "none"


def test_it_stands_beside_the_spectrum_in_one_dataset():
    spectrum = lyapunov_spectrum(Lorenz(), duration=20.0, transient=10.0)
    wolf = largest_exponent_wolf(Lorenz(), duration=10.0, transient=10.0)
    names = ["lyapunov_exponent", "standard_error"]
    both = xr.concat([spectrum[names], wolf[names]], xr.Variable("estimate", ["tangents", "wolf"]), join="outer", combine_attrs="drop")
    np.testing.assert_array_equal(both.lyapunov_exponent.sel(estimate="tangents"), spectrum.lyapunov_exponent)
    assert both.lyapunov_exponent.sel(estimate="wolf", exponent=1) == wolf.lyapunov_exponent.item()
    assert np.isnan(both.lyapunov_exponent.sel(estimate="wolf", exponent=[2, 3])).all()


def test_a_perfect_model_agrees_with_its_system():
    system, model = perfect_model()
    settings = {"radius": 1e-3, "step": 0.05, "duration": 5.0, "initial_states": system.sample_states(8, 0)}
    ours, theirs = largest_exponent_wolf(model, **settings), largest_exponent_wolf(system, **settings)
    np.testing.assert_allclose(ours.trajectory_exponent, theirs.trajectory_exponent, rtol=0, atol=1e-9)
    assert theirs.lyapunov_exponent.item() == pytest.approx(-0.1, abs=0.1)


def test_what_cannot_be_used_is_told():
    gone = largest_exponent_wolf(linear([[2000.0]]), initial_states=[[0.0], [1.0]], duration=2.0, step=0.001)
    assert "2 of 2 trajectories diverged or met and were left out" in gone.attrs["warnings"]
    assert np.isnan(gone.lyapunov_exponent).all()
    met = largest_exponent_wolf(Lorenz(rho=20.0), n_trajectories=4, transient=20.0, duration=150.0)
    assert "distances came down to rounding: the estimate is too large" in met.attrs["warnings"]
    assert met.lyapunov_exponent.item() > -0.154792
    with pytest.raises(PhysodeError, match="radius is 0; give a finite positive number."):
        largest_exponent_wolf(Lorenz(), radius=0)
    with pytest.raises(PhysodeError, match="transient is -1; give zero or a finite positive number."):
        largest_exponent_wolf(Lorenz(), transient=-1)
