"""Nullclines with known equations, divergences, and what a multiplier below 1 does to a forecast backward in time."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_standins import Lorenz, StandIn, linear, lotka_volterra, planar, planar_matrix, van_der_pol

from physode import systems
from physode.analysis import backward_prediction, energy_drift, fixed_points, forecast_error, nullclines, periodic_orbit, phase_plane
from physode.errors import DataError
from physode.trajectories import from_numpy


def test_nullclines_of_van_der_pol_lie_where_they_must():
    found = nullclines(van_der_pol(1.5))
    assert set(found.component.values) == {"x", "y"}
    flat, bent = (found.isel(point=found.component.values == name) for name in "xy")
    np.testing.assert_allclose(flat.y, 0.0, atol=1e-12)
    np.testing.assert_allclose(1.5 * (1 - bent.x**2) * bent.y, bent.x, atol=1e-10)
    assert len(set(flat.curve.values)) == 1
    assert len(set(bent.curve.values)) == 3  # three branches, between and beyond x = -1 and 1
    for number in set(bent.curve.values):
        steps = np.diff(bent.y.values[bent.curve.values == number])
        assert (np.abs(steps) < 0.5).all()  # in order along the curve


def test_nullclines_cross_at_the_fixed_points():
    field = lotka_volterra()
    lines, points = nullclines(field, reach=0.7), fixed_points(field, reach=0.7)
    assert points.sizes["fixed_point"] == 2
    for x, y in zip(points.x.values, points.y.values, strict=True):
        for name in "xy":
            one = lines.isel(point=lines.component.values == name)
            assert float(np.hypot(one.x - x, one.y - y).min()) < 0.02
    inside = lines.isel(point=lines.component.values == "y")
    assert set(np.round(inside.x.values[np.abs(inside.y.values) > 0.1], 9)) == {3.0}


def test_the_mesh_and_the_reach_bound_what_is_seen():
    small = StandIn(
        "ring",
        "xy",
        lambda z: planar(z, (z**2).sum(axis=1) - 0.01, z[:, 0] + 5),
        lambda z: planar_matrix(z, 2 * z[:, 0], 2 * z[:, 1], 1, 0),
    )
    assert set(nullclines(small).component.values) == {"x"}
    np.testing.assert_allclose(np.hypot(*nullclines(small)[["x", "y"]].to_array().values), 0.1, atol=1e-9)
    assert nullclines(small, n=6).sizes["point"] == 0
    assert set(nullclines(small, reach=3.0).component.values) == {"x", "y"}
    with pytest.raises(DataError, match="takes two states; 'lorenz' has 3: x, y, z"):
        nullclines(Lorenz())


@pytest.mark.parametrize(
    ("unit", "time", "slope", "rate"),
    [
        ("m s-1", "s", "m s-2", "s-1"),
        ("m", "1e-3 s", "(m) (1e-3 s)-1", "(1e-3 s)-1"),
        ("mm/s", "s", "(mm/s) (s)-1", "s-1"),
        ("", "s", "", "s-1"),
        ("m", "", "", ""),
        ("1", "1", "1", "1"),
    ],
)
def test_units_of_rates_can_be_read(unit, time, slope, rate):
    field = linear([[0.0, 1.0], [-1.0, 0.0]], units={"x1": unit, "x2": unit, "time": time})
    plane, orbit = phase_plane(field, n=2), periodic_orbit(field, [1.0, 0.0], period=6.0)
    assert (plane.dx1_dt.units, plane.divergence.units) == (slope, rate)
    assert (orbit.floquet_exponent.units, fixed_points(field, n_starts=2).eigenvalue_real.units) == (rate, rate)
    assert energy_drift(field, [1.0, 0.0], energy=lambda z: (z**2).sum(axis=1), time=np.arange(3.0)).slope.units == rate


def test_the_phase_plane_holds_the_field_and_its_divergence():
    matrix = np.array([[1.0, 2.0], [3.0, -4.0]])
    found = phase_plane(linear(matrix, units={"x1": "m", "x2": "m s-1"}), n=7, reach=1.0)
    assert found.divergence.dims == ("x2", "x1")
    np.testing.assert_allclose(found.divergence, -3.0)
    np.testing.assert_allclose(found.dx1_dt.transpose("x1", "x2"), (found.x1 + 2 * found.x2).transpose("x1", "x2"))
    np.testing.assert_allclose(found.dx2_dt.transpose("x1", "x2"), (3 * found.x1 - 4 * found.x2).transpose("x1", "x2"))
    assert (found.divergence.attrs["units"], found.dx1_dt.attrs["units"]) == ("s-1", "m s-1")
    near = phase_plane(linear(matrix), n=7, reach=0.0)
    assert np.ptp(found.x1.values) == pytest.approx(3 * np.ptp(near.x1.values))
    sizes = dict(phase_plane(systems.get("pendulum"), n=9, seed=1).sizes)
    assert sizes == {"theta": 9, "omega": 9}


def attracting(rate):
    """Lotka and Volterra's orbit through (1, 1), to which all others now go: f + rate (V0 - V) grad V."""
    truth = lotka_volterra(2 / 3, 4 / 3, 1.0, 1.0)

    def invariant(z):
        x, y = z[:, 0], z[:, 1]
        return x - np.log(x) + 4 / 3 * y - 2 / 3 * np.log(y), np.stack([1 - 1 / x, 4 / 3 - 2 / (3 * y)], axis=1)

    def field(z):
        value, slope = invariant(z)
        return truth.rhs(0.0, z) + rate * (7 / 3 - value)[:, None] * slope

    def matrix(z):
        value, slope = invariant(z)
        bent = planar_matrix(z, 1 / z[:, 0] ** 2, 0, 0, 2 / (3 * z[:, 1] ** 2))
        return truth._jacobian(z) + rate * ((7 / 3 - value)[:, None, None] * bent - slope[:, :, None] * slope[:, None])

    return truth, StandIn("attracting", "xy", field, matrix, centre=1.0, spread=0.3), invariant


def test_a_multiplier_below_one_is_why_a_learned_orbit_is_lost_backward_in_time():
    truth, learned, invariant = attracting(0.1)
    exact = periodic_orbit(learned, [1.0, 1.0])
    path = np.stack([exact.x, exact.y], axis=1)
    np.testing.assert_allclose(invariant(path)[0], 7 / 3, atol=1e-7)
    steepness = float(np.trapezoid((invariant(path)[1] ** 2).sum(axis=1), exact.time))
    np.testing.assert_allclose(exact.multiplier_real, [1.0, np.exp(-0.1 * steepness)], atol=1e-4)
    _, learned, _ = attracting(-np.log(0.41) / steepness)  # 0.41: what the published fit of this orbit had
    found, neutral = (periodic_orbit(field, [1.0, 1.0]) for field in (learned, truth))
    assert found.period.item() == pytest.approx(neutral.period.item(), abs=1e-3)
    np.testing.assert_allclose(found.multiplier_real, [1.0, 0.41], atol=2e-4)
    np.testing.assert_allclose(neutral.multiplier_real, 1.0, atol=1e-4)
    orbit = from_numpy(exact.time.values, path, ["x", "y"])
    off = orbit.assign(y=orbit.y.where(orbit.time < orbit.time[-1], orbit.y * 1.001))  # a small error of the state to start from
    for field, growth in ((learned, 1 / 0.41), (truth, 1.0)):
        back = backward_prediction(field, off)
        error = invariant(np.stack([back.x[0], back.y[0]], axis=1))[0] - 7 / 3
        assert error[0] / error[-1] == pytest.approx(growth, rel=0.01)
    lost, kept = (forecast_error(field, off, backward=True).rmse.max("time").sum() for field in (learned, truth))
    assert float(lost) > 1.5 * float(kept)


class Perfect:
    """A model whose field is the truth; its derivatives come from differences."""

    def __init__(self, system):
        self.name, self.states, self.units, self.time_scale = "perfect", system.states, system.units, system.time_scale
        self.rhs, self.sample_states = system.rhs, system.sample_states

    def jvp(self, t, z, v):
        if v.ndim == 3:
            return np.stack([self.jvp(t, z, v[:, k]) for k in range(v.shape[1])], axis=1)
        return (self.rhs(t, z + 1e-6 * v) - self.rhs(t, z - 1e-6 * v)) / 2e-6

    def divergence(self, t, z):
        unit = np.eye(z.shape[1])
        return sum(self.jvp(t, z, np.broadcast_to(e, z.shape))[:, i] for i, e in enumerate(unit))


def test_a_perfect_model_has_the_local_structure_of_its_system():
    system = systems.get("van-der-pol", mu=1.0)
    model = Perfect(system)
    for analysis, tolerance in ((nullclines, 1e-9), (phase_plane, 1e-6), (fixed_points, 1e-7)):
        true, learned = analysis(system), analysis(model)
        assert set(true.variables) == set(learned.variables)
        for name in true.data_vars:
            if true[name].dtype.kind == "f":
                np.testing.assert_allclose(learned[name], true[name], atol=tolerance, err_msg=f"{analysis.__name__}: {name}")
    assert fixed_points(model).kind.values.tolist() == fixed_points(system).kind.values.tolist()
    true, learned = (periodic_orbit(field, [2.0, 0.0], period=6.66) for field in (system, model))
    assert learned.period.item() == pytest.approx(true.period.item(), abs=1e-8)
    np.testing.assert_allclose(learned.multiplier_real, true.multiplier_real, atol=1e-7)
    record = system.simulate(np.linspace(0, 3, 16), n_trajectories=2, seed=0)
    errors = [forecast_error(field, record, backward=True).nrmse for field in (system, model)]
    np.testing.assert_allclose(errors[0], errors[1], atol=1e-12)
