"""Fixed points and periodic orbits with known positions, eigenvalues and multipliers."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_standins import linear, van_der_pol

from physode import systems
from physode.analysis import find_invariant, nullclines, phase_plane
from physode.analysis.fixed_points import classify, fixed_points, jacobians
from physode.analysis.periodic_orbit import periodic_orbit
from physode.errors import DataError


def test_the_three_fixed_points_of_lorenz():
    found = fixed_points(systems.get("lorenz"))
    c = np.sqrt(72)
    np.testing.assert_allclose(found.x, [-c, 0, c], atol=1e-8)
    np.testing.assert_allclose(found.z, [27, 0, 27], atol=1e-8)
    assert found.kind.values.tolist() == ["saddle focus", "saddle", "saddle focus"]
    root = np.sqrt(1201) / 2
    np.testing.assert_allclose(found.eigenvalue_real[1], [-5.5 + root, -8 / 3, -5.5 - root])
    assert found.eigenvalue_imag[0, 0] == pytest.approx(10.1945, abs=1e-4)
    assert float(found.residual.max()) < 1e-8
    stable = fixed_points(systems.get("lorenz", rho=20.0)).isel(fixed_point=[0, -1])
    assert set(stable.kind.values) == {"stable focus"}
    np.testing.assert_allclose(stable.eigenvalue_real[0], [-0.154792, -0.154792, -13.357083], atol=1e-6)


def test_lotka_volterra_turns_about_a_centre_and_the_origin_is_a_saddle():
    found = fixed_points(systems.get("lotka-volterra"))
    by_kind = {str(kind): i for i, kind in enumerate(found.kind.values)}
    assert set(by_kind) == {"centre", "saddle"}
    centre = found.isel(fixed_point=by_kind["centre"])
    assert (centre.x.item(), centre.y.item()) == pytest.approx((1.0, 0.5))
    assert centre.eigenvalue_imag[0].item() == pytest.approx(np.sqrt(2 / 3))
    assert centre.beyond == 0.0
    assert found.beyond[by_kind["saddle"]] > 0.0


def test_reach_bounds_the_search_and_nothing_found_is_an_empty_set():
    pendulum = systems.get("pendulum")
    assert fixed_points(pendulum, reach=0.0).sizes["fixed_point"] == 1
    far = fixed_points(pendulum, reach=2.0)
    near_top = np.abs(np.abs(far.theta) - np.pi) < 1e-8
    assert set(far.kind.values[near_top]) == {"saddle"}
    assert (far.beyond[near_top] > 0).all()
    drift = systems.define("drift", equations={"x": "1 + x**2"}, initial_state={"x": 0.0})
    none = fixed_points(drift)
    assert none.sizes["fixed_point"] == 0
    assert none.kind.shape == (0,)


@pytest.mark.parametrize("power", [3, 5, 7])
def test_a_point_where_the_field_is_flat_is_one(power):
    flat = systems.define("flat", {"x": f"-x**{power}", "y": "-y"}, initial_state={"x": 1.0, "y": 1.0}, ranges={"x": (-1, 1), "y": (-1, 1)})
    (x,) = fixed_points(flat).x.values
    assert abs(x) < 0.03


def test_points_of_a_line_at_rest_are_apart_and_close_points_are_told_from_one():
    line = systems.define("line", {"x": "0*x", "y": "x - y"}, initial_state={"x": 0.5, "y": 0.5}, ranges={"x": (0, 1), "y": (0, 1)})
    found = fixed_points(line)
    np.testing.assert_allclose(found.y, found.x, atol=1e-12)
    assert (found.x.diff("fixed_point") > 0.09).all()
    assert 8 < found.sizes["fixed_point"] < 22
    fork = systems.define("fork", {"x": "1e-4*x - x**3"}, initial_state={"x": 0.5}, ranges={"x": (-1, 1)})
    np.testing.assert_allclose(fixed_points(fork).x, [-0.01, 0, 0.01], atol=1e-9)


@pytest.mark.parametrize(
    ("eigenvalues", "kind"),
    [
        ([-1, -2], "stable node"),
        ([2, 1], "unstable node"),
        ([1 + 1j, 1 - 1j], "unstable focus"),
        ([0, -1], "degenerate"),
        ([1, -1 + 1j, -1 - 1j], "saddle focus"),
    ],
)
def test_kinds(eigenvalues, kind):
    assert classify(np.array(eigenvalues, dtype=complex)) == kind


def test_jacobians_have_components_in_rows():
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(jacobians(linear(matrix), np.zeros((2, 2))), [matrix, matrix])


@pytest.mark.parametrize(
    ("mu", "period", "exponent"),
    [(0.5, 6.380676, -0.507731), (2.0, 7.629874, -2.382560), pytest.param(5.0, 11.612231, -7.358794, marks=pytest.mark.slow)],
)
def test_limit_cycle_of_van_der_pol(mu, period, exponent):
    found = periodic_orbit(van_der_pol(mu), {"x": 2.0, "y": 0.0}, settle=20.0)
    assert found.period.item() == pytest.approx(period, abs=1e-6)
    np.testing.assert_allclose(found.floquet_exponent, [0, exponent], atol=2e-6)
    assert found.multiplier_real[0].item() == pytest.approx(1.0, abs=1e-7)
    assert found.attrs["warnings"] == "none"
    assert found.gap < 1e-8
    assert found.time[-1] == found.period


@pytest.mark.parametrize("mu", [5.0, 10.0])
def test_a_multiplier_that_drowns_in_the_largest_keeps_its_size_and_its_sign(mu):
    found = periodic_orbit(van_der_pol(mu), {"x": 2.0, "y": 0.0}, settle=30.0)
    expected = np.exp((found.floquet_exponent[1] * found.period).item())
    assert found.multiplier_real[1].item() == pytest.approx(expected, rel=1e-12, abs=0)
    assert found.multiplier_imag[1] == 0


class Turned:
    """A system in other coordinates, so that each state is a mixture of the system's."""

    def __init__(self, system):
        self.system, self.name, self.states = system, system.name, system.states
        self.units, self.time_scale = system.units, system.time_scale
        self.axes = np.linalg.qr(np.random.default_rng(0).standard_normal((len(self.states),) * 2))[0]

    def rhs(self, t, z):
        return self.system.rhs(t, z @ self.axes.T) @ self.axes

    def jvp(self, t, z, v):
        return self.system.jvp(t, z @ self.axes.T, v @ self.axes.T) @ self.axes

    def sample_states(self, n, seed):
        return self.system.sample_states(n, seed) @ self.axes


def test_multipliers_of_a_circle_with_small_ones_of_every_kind():
    equations = {
        "x": "x*(1 - x**2 - y**2) - y",
        "y": "y*(1 - x**2 - y**2) + x",
        "u": "-5*u - w/6",  # turns by a sixth in a period
        "w": "u/6 - 5*w",
        "p": "-7*p - q/2 + x*p + y*q",  # shrinks along two directions that turn by a half
        "q": "p/2 - 7*q + y*p - x*q",
    }
    circle = Turned(systems.define("circle", equations, initial_state=dict.fromkeys(equations, 0.5)))
    found = periodic_orbit(circle, circle.axes[0], period=2 * np.pi)
    pair = np.exp(2 * np.pi * (-5 + np.array([1j, -1j]) / 6))
    expected = [1, np.exp(-4 * np.pi), *pair, -np.exp(-12 * np.pi), -np.exp(-16 * np.pi)]
    np.testing.assert_allclose(found.multiplier_real + 1j * found.multiplier_imag, expected, rtol=1e-4)


def test_an_unstable_orbit_of_lorenz():
    found = periodic_orbit(systems.get("lorenz"), [-13.7636, -19.5788, 27.0], period=1.56)
    assert found.period.item() == pytest.approx(1.5586522107161747, abs=1e-8)
    assert abs(found.multiplier_real[0].item()) == pytest.approx(4.713, abs=2e-3)
    assert found.floquet_exponent.sum().item() == pytest.approx(-41 / 3, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "start", "period"), [("harmonic-oscillator", [1.0, 0.0], 2 * np.pi), ("lotka-volterra", [1.0, 1.0], None)]
)
def test_conservative_orbits_have_all_multipliers_one(name, start, period):
    found = periodic_orbit(systems.get(name), start)
    np.testing.assert_allclose(found.multiplier_real, 1.0, atol=1e-4)
    np.testing.assert_allclose(found.floquet_exponent, 0.0, atol=1e-4)
    assert period is None or found.period.item() == pytest.approx(period, abs=1e-8)


def test_orbits_and_fixed_points_do_not_depend_on_the_units():
    """Van der Pol's oscillator in micrometres and years, or as fast as light."""
    for width, time in ((1e-6, 3e7), (1e3, 1e-10)):
        equations = {"x": "v", "v": "(1 - (x/w)**2)*v/T - x/T**2"}
        start, ranges = {"x": 2 * width, "v": 0.0}, {"x": (-3 * width, 3 * width), "v": (-3 * width / time, 3 * width / time)}
        field = systems.define("clock", equations, {"w": width, "T": time}, initial_state=start, ranges=ranges)
        found = periodic_orbit(field, start, settle=20 * time)
        assert found.period.item() / time == pytest.approx(6.6632868593, abs=1e-7)
        assert found.floquet_exponent[1].item() * time == pytest.approx(-1.0594, abs=1e-4)
        assert float(found.x.max()) / width == pytest.approx(2.009, abs=1e-3)
        (point,) = fixed_points(field).eigenvalue_real.values
        np.testing.assert_allclose(point * time, [0.5, 0.5], rtol=1e-9)


def test_spirals_and_lost_orbits_are_told():
    spiral = periodic_orbit(systems.get("damped-oscillator"), {"x": 1.0, "v": 0.0})
    assert "no close return" in spiral.attrs["warnings"]
    assert np.isnan(spiral.period)
    assert np.isnan(spiral.multiplier_real).all()
    forced = periodic_orbit(systems.get("damped-oscillator"), {"x": 1.0, "v": 0.0}, period=6.3)
    assert forced.attrs["warnings"] != "none"
    assert np.isnan(forced.floquet_exponent).all()


def test_starts_number_and_seed_decide_where_fixed_points_are_looked_for():
    lorenz = systems.get("lorenz")
    near = fixed_points(lorenz, starts=np.array([[8.0, 8.0, 27.0], [9.0, 8.0, 26.0]]))
    np.testing.assert_allclose(near.x, [np.sqrt(72)], atol=1e-8)
    assert fixed_points(lorenz, n_starts=1, seed=0).sizes["fixed_point"] == 1
    found = {round(float(fixed_points(lorenz, n_starts=1, seed=seed).x[0]), 6) for seed in range(12)}
    assert len(found) > 1


def test_a_closer_guess_of_the_period_picks_the_orbit_that_goes_round_twice():
    once, twice = (periodic_orbit(van_der_pol(1.0), [2.0, 0.0], settle=20.0, period=period) for period in (6.6, 13.3))
    assert twice.period.item() == pytest.approx(2 * once.period.item(), rel=1e-9)
    np.testing.assert_allclose(twice.multiplier_real[1], once.multiplier_real[1] ** 2, rtol=1e-3)
    unsettled = periodic_orbit(van_der_pol(1.0), [2.0, 0.0], period=6.6)
    assert unsettled.period.item() == pytest.approx(once.period.item(), rel=1e-6)
    assert float(unsettled.x[0]) == pytest.approx(2.0, abs=0.1)


def _turning(second: str) -> systems.System:
    start = {"x": 1.0, second: 0.0}
    return systems.define("turning", equations={"x": second, second: "-x"}, initial_state=start, ranges={"x": (-1, 1), second: (-1, 1)})


ANALYSES = {
    "fixed_points": fixed_points,
    "periodic_orbit": lambda dynamics: periodic_orbit(dynamics, [[1.0, 0.0]], period=2 * np.pi),
    "phase_plane": lambda dynamics: phase_plane(dynamics, n=3),
    "nullclines": lambda dynamics: nullclines(dynamics, n=3),
    "find_invariant": lambda dynamics: find_invariant(dynamics, degree=1, duration=1.0),
}


@pytest.mark.parametrize("name", ANALYSES)
def test_a_state_that_is_called_as_something_else_in_the_result_is_told(name: str) -> None:
    found = ANALYSES[name](_turning("v"))
    held = {*found.variables, *found.dims} - {"x", "v", "dv_dt", "time", "trajectory", "exponent"}
    assert held
    for taken in held:
        with pytest.raises(DataError, match=f"the state '{taken}' has the name of something else that the result holds; rename it"):
            ANALYSES[name](_turning(taken))
