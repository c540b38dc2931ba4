"""Smoothing finds values, derivatives and noise of a record."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import make_smoothing_spline

from physode.training.smoothing import PIECE, _SmoothingSpline, at_rest, smooth


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_a_noisy_sine(noise: float) -> None:
    time = np.linspace(3.0, 23.0, 400)
    clean = 5 + 2 * np.sin(time)
    values = clean + noise * np.random.default_rng(0).standard_normal(400)
    out = smooth(time[None], values[None, :, None])
    inner = slice(20, -20)
    assert np.sqrt(np.mean((out.value[0, :, 0] - clean) ** 2)) < 0.4 * noise
    assert np.sqrt(np.mean((out.first[0, inner, 0] - 2 * np.cos(time[inner])) ** 2)) < 0.05 + noise
    assert np.corrcoef(out.second[0, inner, 0], -np.sin(time[inner]))[0, 1] > 0.97
    assert out.noise[0] == pytest.approx(noise, rel=0.2)


def test_a_clean_sine_is_followed_exactly() -> None:
    time = np.linspace(0.0, 10.0, 200)
    out = smooth(time[None], np.sin(time)[None, :, None])
    inner = slice(10, -10)
    np.testing.assert_allclose(out.value[0, :, 0], np.sin(time), atol=1e-4)
    np.testing.assert_allclose(out.first[0, inner, 0], np.cos(time[inner]), atol=1e-3)
    np.testing.assert_allclose(out.second[0, inner, 0], -np.sin(time[inner]), atol=2e-2)
    assert out.noise[0] < 1e-4


def test_units_do_not_matter() -> None:
    time = np.linspace(0.0, 10.0, 60)
    values = np.sin(time) + 0.05 * np.random.default_rng(1).standard_normal(60)
    plain = smooth(time[None], values[None, :, None])
    scaled = smooth(1e6 * time[None], 7 + 1e-4 * values[None, :, None])
    np.testing.assert_allclose(scaled.value, 7 + 1e-4 * plain.value, rtol=0, atol=1e-10)
    np.testing.assert_allclose(scaled.first, 1e-10 * plain.first, rtol=0, atol=1e-15)
    np.testing.assert_allclose(scaled.noise, 1e-4 * plain.noise, rtol=1e-5)


def test_gaps_are_bridged_and_ends_are_nan() -> None:
    time = np.full((1, 60), np.nan)
    time[0, :50] = np.linspace(0.0, 5.0, 50)
    values = np.sin(time)[..., None].copy()
    values[0, [7, 8, 30]] = np.nan
    out = smooth(time, values)
    np.testing.assert_allclose(out.value[0, :50, 0], np.sin(time[0, :50]), atol=1e-3)
    np.testing.assert_allclose(out.first[0, 5:45, 0], np.cos(time[0, 5:45]), atol=1e-2)
    assert np.isnan(out.value[0, 50:]).all() and np.isnan(out.first[0, 50:]).all() and np.isnan(out.second[0, 50:]).all()


def test_in_a_long_gap_the_value_stays_between_its_ends_and_no_slope_is_told() -> None:
    time = np.linspace(0.0, 60.0, 601)
    values = (np.sin(time) + 0.01 * np.random.default_rng(0).standard_normal(601))[None, :, None]
    values[0, 200:403] = np.nan  # 20 time constants
    values[0, 500:512] = np.nan  # one of them
    out = smooth(time[None], values)
    gap = np.isin(np.arange(601), np.arange(200, 403))
    ends = [out.value[0, 199, 0], out.value[0, 403, 0]]
    np.testing.assert_allclose(out.value[0, gap, 0], np.interp(time[gap], time[[199, 403]], ends), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(np.isnan(out.first[0, :, 0]), gap)
    np.testing.assert_array_equal(np.isnan(out.second[0, :, 0]), gap)
    np.testing.assert_allclose(out.value[0, ~gap, 0], np.sin(time[~gap]), atol=0.02)


def test_before_the_first_measurement_and_after_the_last_the_value_stands_still() -> None:
    time = np.linspace(0.0, 60.0, 601)
    values = np.sin(time)[None, :, None].copy()
    values[0, :100] = values[0, 590:] = np.nan
    out = smooth(time[None], values)
    np.testing.assert_allclose(out.value[0, :100, 0], np.sin(10.0), atol=1e-6)
    np.testing.assert_array_equal(np.isnan(out.first[0, :, 0]), np.arange(601) < 100)
    np.testing.assert_allclose(out.value[0, 590:, 0], np.sin(58.9), atol=1e-6)  # near enough to be told


def test_at_rest_is_where_nothing_tells_a_slope() -> None:
    value, slope = np.array([1.0, 2.0, 3.0, np.nan]), np.array([0.5, np.nan, 0.7, np.nan])
    np.testing.assert_array_equal(at_rest(slope, value), [0.5, 0.0, 0.7, np.nan])


def test_few_measurements_leave_a_line_none_leave_zeros_and_constants_stay() -> None:
    time = np.arange(6.0)[None]
    values = np.full((1, 6, 3), np.nan)
    values[0, [1, 3], 0] = [2.0, 6.0]
    values[0, :, 2] = 4.0
    out = smooth(time, values)
    np.testing.assert_allclose(out.value[0, :, 0], [0, 2, 4, 6, 8, 10])
    np.testing.assert_allclose(out.first[0, :, 0], 2.0)
    assert (out.value[0, :, 1] == 0).all() and (out.first[0, :, 1] == 0).all()
    np.testing.assert_allclose(out.value[0, :, 2], 4.0)
    assert out.noise.tolist() == [0.0, 0.0, 0.0]


def test_a_long_record_is_smoothed_in_pieces() -> None:
    count = PIECE + 300
    time = np.linspace(0.0, count / 20, count)
    values = np.sin(time) + 0.05 * np.random.default_rng(2).standard_normal(count)
    out = smooth(time[None], values[None, :, None])
    assert np.sqrt(np.mean((out.value[0, :, 0] - np.sin(time)) ** 2)) < 0.02
    assert out.noise[0] == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_the_freedom_left_to_the_noise_is_the_trace(penalty: float) -> None:
    knots = np.arange(30.0) ** 1.1
    hat = np.stack([unit - _SmoothingSpline(knots, unit)._residual(penalty) for unit in np.eye(30)])
    assert _SmoothingSpline(knots, np.zeros(30))._free(penalty) == pytest.approx(30 - np.trace(hat), rel=1e-9)


def test_the_spline_is_scipys_where_scipy_finds_the_least_score() -> None:
    time = np.arange(101.0)
    values = np.sin(0.2 * time) + 0.1 * np.random.default_rng(0).standard_normal(101)
    theirs, ours = make_smoothing_spline(time, values), smooth(time[None], values[None, :, None])
    np.testing.assert_allclose(ours.value[0, :, 0], theirs(time), atol=5e-4)
    np.testing.assert_allclose(ours.first[0, :, 0], theirs.derivative()(time), atol=5e-4)


def test_how_many_residuals_a_score_amounts_to() -> None:
    time = np.sort(np.random.default_rng(2).uniform(0.0, 30.0, 30))
    spline = _SmoothingSpline(time, np.sin(time))
    for penalty in (1e-6, 1.0, 1e4):
        smoothers = [_SmoothingSpline(time, unit)._residual(penalty) for unit in np.eye(30)]
        left = np.stack(smoothers, axis=1)
        expected = np.trace(left) ** 2 / np.trace(left @ left)
        assert spline._residuals(np.log(penalty)) == pytest.approx(expected, rel=0.02)


def test_close_times_do_not_make_a_noisy_record_look_clean() -> None:
    for seed in range(60):
        random = np.random.default_rng(seed)
        time = np.sort(random.uniform(0.0, 10.0, 60))
        values = np.sin(time) + 0.05 * random.standard_normal(60)
        out = smooth(time[None], values[None, :, None])
        assert np.sqrt(np.mean((out.value[0, :, 0] - np.sin(time)) ** 2)) < 0.04
        assert out.noise[0] > 0.025


def test_a_record_without_noise_is_interpolated() -> None:
    time = np.linspace(0.0, 20.0, 401)
    ours = smooth(time[None], np.sin(time)[None, :, None])
    assert ours.noise[0] < 1e-8
    np.testing.assert_allclose(ours.first[0, 20:-20, 0], np.cos(time[20:-20]), atol=1e-6)


def test_times_that_nearly_coincide_are_smoothed_as_well() -> None:
    """Stiff penalties cannot be solved for there, in floating-point numbers."""
    rng = np.random.default_rng(0)
    t = np.sort(np.append(rng.uniform(0, 100, 1999), 50.0))
    t[1000] = t[999] + 1e-7
    y = np.sin(t) + 0.05 * rng.standard_normal(2000)
    smoothed = smooth(t[None], y[None, :, None])
    assert float(np.sqrt(np.mean((smoothed.value[0, :, 0] - np.sin(t)) ** 2))) < 0.03
