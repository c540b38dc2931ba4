"""Lyapunov exponents of the registered systems against exact values, and against the literature's."""

from __future__ import annotations

import numpy as np
import pytest

from physode import lyapunov_spectrum, systems
from physode.analysis import periodic_orbit


def agree(found, expected, errors_of_reference):
    """Check exponents within three standard errors, the run's and the reference's, and their sum against the divergence."""
    error = np.hypot(found.standard_error.values, errors_of_reference)
    zero = 3 * np.log(found.attrs["duration"]) / found.attrs["duration"]  # what a zero may still show after that time
    allowed = 3 * error + np.where(np.asarray(expected) == 0, zero, 0)
    np.testing.assert_array_less(np.abs(found.lyapunov_exponent.values - expected), allowed)
    assert abs(found.lyapunov_exponent.sum() - found.mean_divergence) <= 1e-3


@pytest.mark.parametrize(
    ("name", "parameters", "tolerance"),
    [
        ("linear-spiral", {}, 1e-6),
        ("damped-oscillator", {"gamma": 0.2, "omega": 1.0}, 3e-4),
        ("damped-oscillator", {"gamma": 3.0, "omega": 1.0}, 1e-4),
        ("harmonic-oscillator", {}, 1e-4),
        ("damped-sinusoids", {}, 1e-3),
    ],
)
def test_linear_systems_have_the_exponents_of_their_cards(name, parameters, tolerance):
    system = systems.get(name, **parameters)
    found = lyapunov_spectrum(system, n_trajectories=4, duration=300 * system.time_scale, transient=60 * system.time_scale)
    np.testing.assert_allclose(found.lyapunov_exponent, system.lyapunov_exponents, atol=tolerance)


@pytest.mark.parametrize(("mu", "period", "exponent"), [
    (0.5, 6.380676, -0.507731),
    (1.0, 6.663287, -1.059377),
    (2.0, 7.629874, -2.382560),
    (3.0, 8.859096, -3.939110),
    (5.0, 11.612231, -7.358794),
    (10.0, 19.078370, -16.345433),
])  # fmt: skip
def test_van_der_pol_by_the_floquet_exponent_of_its_orbit(mu, period, exponent):
    found = periodic_orbit(systems.get("van-der-pol", mu=mu), {"x": 2.0, "v": 0.0}, settle=30.0)
    assert found.period == pytest.approx(period, abs=1e-5)
    np.testing.assert_allclose(found.floquet_exponent, [0, exponent], rtol=2e-6, atol=1e-5)


@pytest.mark.parametrize(("mu", "exponent"), [(0.5, -0.507731), (1.0, -1.059377), (2.0, -2.382560), (3.0, -3.939110)])
def test_van_der_pol_by_its_spectrum(mu, exponent):
    found = lyapunov_spectrum(systems.get("van-der-pol", mu=mu), n_trajectories=16, duration=300.0, transient=60.0)
    agree(found, [0, exponent], 1e-6)
    assert found.standard_error.max() < 1e-2


def test_lorenz_at_a_stable_fixed_point():
    found = lyapunov_spectrum(systems.get("lorenz", rho=20.0), n_trajectories=8, transient=90.0, duration=40.0)
    np.testing.assert_allclose(found.lyapunov_exponent, [-0.154792, -0.154792, -13.357083], atol=5e-4)


@pytest.mark.parametrize(
    ("name", "parameters", "start"),
    [
        ("lotka-volterra", {"alpha": 1.5, "beta": 1.0, "delta": 1.0, "gamma": 3.0}, {"x": 1.0, "y": 1.0}),
        ("pendulum", {"gravity": 1.0, "length": 1.0}, {"theta": 1.0, "omega": 0.0}),
    ],
)
def test_closed_orbits_have_two_zeros_but_for_the_logarithmic_bias(name, parameters, start):
    system = systems.get(name, **parameters)
    np.testing.assert_array_equal(system.lyapunov_exponents, [0, 0])
    found = lyapunov_spectrum(system, initial_states=start, duration=1000.0, transient=0.0)
    bias = np.log(1000) / 1000
    assert 0.3 * bias < found.lyapunov_exponent[0] < 1.3 * bias
    assert abs(found.lyapunov_exponent.sum() - found.mean_divergence) < 1e-3


def test_the_cubic_spiral_decays_like_a_power_of_time():
    spiral = systems.get("cubic-spiral")
    short, long = (
        lyapunov_spectrum(spiral, initial_states={"x": 2.0, "y": 0.0}, duration=d, transient=0.0).lyapunov_exponent.sum()
        for d in (25.0, 100.0)
    )
    assert -0.1 < long < -0.07 and short < 2.5 * long  # towards zero, by about log(T)/T


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected", "errors", "dimension"),
    [
        ("lorenz", [0.9056, 0.0, -14.5723], [0.0002, 0.0, 0.0002], 2.0621),
        ("rossler", [0.0718, 0.0, -5.3945], [0.0003, 0.0, 0.0002], 2.0133),
    ],
)
def test_chaotic_flows_have_the_exponents_of_the_literature(name, expected, errors, dimension):
    found = lyapunov_spectrum(systems.get(name))
    agree(found, expected, errors)
    assert found.kaplan_yorke_dimension == pytest.approx(dimension, abs=2e-3)
    assert found.attrs["warnings"] == "none"


def henon_heiles_shell(n):
    """Draw states of energy 1/6 around the reference's (0, -0.15, px, 0)."""
    y = -0.15 + 1e-3 * np.random.default_rng(0).normal(size=n)
    return np.stack([0 * y, y, np.sqrt(2 / 6 - y**2 + 2 * y**3 / 3), 0 * y], axis=1)


def double_pendulum_shell(n):
    """Draw states of energy zero at rest, both rods within a thousandth of 90 degrees."""
    second = np.pi / 2 + 1e-3 * np.random.default_rng(0).normal(size=n)
    return np.stack([np.arccos(-np.cos(second) / 2), second, 0 * second, 0 * second], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "start", "largest", "error", "duration"),
    [
        ("henon-heiles", henon_heiles_shell, 0.127, 0.002, 2000.0),
        ("double-pendulum", double_pendulum_shell, 0.930, 0.006, 300.0),
    ],
)
def test_chaotic_hamiltonian_systems_have_the_exponents_of_the_literature(name, start, largest, error, duration):
    system = systems.get(name)
    states = start(32)
    assert np.ptp(system.energy(states)) < 1e-14
    found = lyapunov_spectrum(system, initial_states=states, duration=duration, transient=duration / 5)
    agree(found, [largest, 0, 0, -largest], [error, 0, 0, error])
    np.testing.assert_allclose(found.lyapunov_exponent + found.lyapunov_exponent[::-1].values, 0, atol=2e-3)
    assert found.kaplan_yorke_dimension == 4
