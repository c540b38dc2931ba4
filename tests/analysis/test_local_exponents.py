"""Exponents over windows: exact where they are constant, in the mean those of the spectrum."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_standins import Lorenz, linear, van_der_pol
from perfect_model import perfect_model

from physode import systems
from physode.analysis.local_exponents import local_exponents
from physode.analysis.lyapunov import lyapunov_spectrum
from physode.errors import PhysodeError


def test_they_are_the_spectrum_in_the_mean_and_scatter_as_known():
    settings = {"n_trajectories": 64, "duration": 20.0, "transient": 9.0}
    found, spectrum = local_exponents(Lorenz(), window=1.0, **settings), lyapunov_spectrum(Lorenz(), **settings)
    assert (np.abs(found.lyapunov_exponent - spectrum.lyapunov_exponent) < 2 * spectrum.standard_error).all()
    np.testing.assert_allclose(found.local_exponent.mean(("trajectory", "time")), found.lyapunov_exponent, rtol=1e-12)
    np.testing.assert_allclose(found.local_exponent.std(("trajectory", "time"), ddof=1), found.standard_deviation, rtol=1e-12)
    assert found.standard_deviation[0] == pytest.approx(1.45, rel=0.05)
    longer = local_exponents(Lorenz(), window=2.0, **settings)
    assert longer.standard_deviation[0] == pytest.approx(0.80, rel=0.05)
    pairs = found.local_exponent.values.reshape(3, 64, 10, 2).mean(axis=-1)
    np.testing.assert_allclose(pairs.std(axis=(1, 2)), longer.standard_deviation, rtol=0.1)
    assert (found.positive_fraction[0] < 0.8) & (found.positive_fraction[2] == 0.0)
    assert found.local_exponent.attrs["units"] == "s-1"


def test_windows_follow_one_another_from_the_end_of_the_transient():
    found = local_exponents(van_der_pol(1.0), window=0.7, step=0.2, duration=7.0, transient=3.0, n_trajectories=2)
    np.testing.assert_allclose(found.time, 3.0 + 0.7 * np.arange(10))
    assert found.sizes == {"exponent": 2, "trajectory": 2, "time": 10}
    assert found.attrs["step"] == pytest.approx(0.7 / 4)  # 0.2 does not fit
    assert found.attrs["duration"] == pytest.approx(7.0)
    fits = local_exponents(van_der_pol(1.0), window=0.7, step=0.1, duration=7.0, transient=3.0, n_trajectories=2)
    assert fits.attrs["step"] == pytest.approx(0.1)


def test_their_scatter_does_not_depend_on_the_units():
    """Of an ellipse, on which directions grow and shrink in turn."""

    def spread(size):
        field = systems.define("turn", {"x": "v*s", "v": "-2*x/s"}, {"s": size}, ranges={"x": (-size, size), "v": (-1.0, 1.0)})
        start = {"x": [size, 0.3 * size], "v": 0.0}
        return local_exponents(field, window=0.7, step=0.05, duration=14.0, transient=0.0, initial_states=start).standard_deviation

    np.testing.assert_allclose(spread(2.0**20), spread(1.0), rtol=1e-3)


def test_where_the_jacobian_is_constant_so_are_they():
    found = local_exponents(linear(np.diag([-0.4, 0.3, -2.0])), initial_states=np.zeros((3, 3)), n_exponents=2, window=2.0, duration=40.0)
    np.testing.assert_allclose(found.local_exponent, np.broadcast_to([[[0.3]], [[-0.4]]], (2, 3, 20)), atol=1e-6)
    assert found.standard_deviation.max() < 1e-6
    np.testing.assert_array_equal(found.positive_fraction, [1.0, 0.0])


def test_one_period_of_a_limit_cycle_gives_its_floquet_exponents():
    found = local_exponents(van_der_pol(1.0), window=6.663287, duration=66.63287, transient=60.0, n_trajectories=4)
    np.testing.assert_allclose(found.local_exponent[0], 0.0, atol=1e-4)
    np.testing.assert_allclose(found.local_exponent[1], -1.059377, atol=1e-4)


def test_a_perfect_model_has_those_of_its_system():
    system, model = perfect_model()
    settings = {"window": 2.0, "step": 0.05, "duration": 20.0, "transient": 0.0, "initial_states": {"x": [1.0, 0.3], "v": 0.0}}
    ours, theirs = local_exponents(model, **settings), local_exponents(system, **settings)
    np.testing.assert_allclose(ours.local_exponent, theirs.local_exponent, rtol=0, atol=1e-9)
    assert ours.local_exponent.std() > 0.01  # an ellipse: not the same everywhere


def test_nothing_is_left_when_all_diverge():
    found = local_exponents(linear([[1.0]]), initial_states=[1.0], duration=60.0, transient=10.0)
    assert found.sizes["trajectory"] == 0
    assert np.isnan(found.lyapunov_exponent).all() and np.isnan(found.standard_deviation).all()
    assert found.attrs["warnings"].startswith("1 of 1 trajectories diverged")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": 0.0}, "window is 0.0; give a finite positive number."),
        ({"window": 9.0, "duration": 8.0}, "window is 9, longer than the duration of 8"),
        ({"transient": -1.0}, "transient is -1.0; give zero or a finite positive number."),
        ({"n_exponents": 0}, "ask for 1 to 3"),
    ],
)
def test_wrong_arguments_are_told(wrong, message):
    with pytest.raises(PhysodeError, match=message):
        local_exponents(Lorenz(), **wrong)
