"""The largest exponent from a series alone."""

from __future__ import annotations

import numpy as np
import pytest

from physode import systems
from physode.analysis.rosenstein import exponent_of_series
from physode.errors import DataError, UnknownNameError
from physode.trajectories import from_numpy


@pytest.fixture(scope="module")
def lorenz():
    """300 units of time: rounding makes it another orbit on another processor, and over 100 units orbits spread by a quarter."""
    record = systems.get("lorenz").simulate(np.arange(0, 320, 0.02), n_trajectories=1, seed=0, rtol=1e-8, atol=1e-8)
    return record.isel(time=slice(1000, None))


@pytest.mark.parametrize("states", [None, ["x"]])
def test_lorenz_within_twenty_percent(lorenz, states):
    found = exponent_of_series(lorenz, states=states)
    assert found.largest_exponent.item() == pytest.approx(0.9056, rel=0.2)
    assert found.attrs["dimension"] == (1 if states is None else 5)
    assert 0 < found.standard_error.item() < 0.1
    assert found.attrs["warnings"] == "none"
    fitted = found.fit.dropna("time")
    assert (fitted.time.values[0], fitted.time.values[-1]) == (found.fit_start, found.fit_end)
    assert np.polyfit(fitted.time, found.log_distance.sel(time=fitted.time), 1)[0] == pytest.approx(found.largest_exponent.item())
    assert np.polyfit(fitted.time, fitted, 1)[0] == pytest.approx(found.largest_exponent.item())
    assert found.fit_start == pytest.approx(0.5 / 0.9, abs=0.15)
    assert found.log_distance.sel(time=found.fit_end) > found.saturation - 2.1


def test_exact_exponential_divergence_is_found():
    rng, rate = np.random.default_rng(0), 0.7
    time, start = np.linspace(0, 10, 201), rng.uniform(1e-5, 1e-3, 40)
    record = from_numpy(time, (start[:, None] * np.exp(rate * time))[..., None], ["x"])
    found = exponent_of_series(record, dimension=1, lag=1, horizon=2.0, exclude=1.0)
    slope = np.polyfit(found.time, found.log_distance, 1)[0]
    assert slope == pytest.approx(rate, rel=0.02)


def test_times_since_1970_are_even():
    time = np.arange(0, 30, 0.1)
    series = (np.sin(time) + 0.5 * np.sin(np.sqrt(2) * time))[:, None]
    early, late = (exponent_of_series(from_numpy(start + time, series, ["x"]), dimension=2, horizon=2.0) for start in (0.0, 1.7e9))
    np.testing.assert_allclose(late.log_distance, early.log_distance)
    np.testing.assert_allclose(late.time, early.time, rtol=1e-7)


def test_regular_motion_is_told():
    time = np.arange(0, 300, 0.1)
    found = exponent_of_series(from_numpy(time, (np.sin(time) + 0.5 * np.sin(np.sqrt(2) * time))[:, None], ["x"]))
    assert abs(found.largest_exponent.item()) < 0.02
    assert "no exponential growth is seen" in found.attrs["warnings"]


@pytest.mark.parametrize(
    ("make", "arguments", "error", "message"),
    [
        (lambda r: r.isel(time=[0, 1, 3, 7, 9]), {}, DataError, "unevenly spaced"),
        (lambda r: r.isel(time=slice(200)), {"dimension": 20}, DataError, "200 times are too few for 20 delays"),
        (lambda r: r, {"horizon": 0.01}, DataError, "pairs followed for 0 samples make no line; use a horizon of 0.1 or more"),
        (lambda r: r * 0, {}, DataError, "the record is at rest: x, y, z never change"),
        (lambda r: r.where(r.time > r.time[5]), {}, DataError, "the record has gaps"),
        (lambda r: r, {"states": ["w"]}, UnknownNameError, "unknown state 'w'"),
    ],
)
def test_records_that_will_not_do_are_told(lorenz, make, arguments, error, message):
    record = make(lorenz)
    for name in record.data_vars:
        record[name].attrs = lorenz[name].attrs
    with pytest.raises(error, match=message):
        exponent_of_series(record, **arguments)


def test_irregular_records_are_told():
    record = from_numpy([[0, 1, 2], [0, 1, 3]], np.arange(6.0).reshape(2, 3, 1), ["x"])
    with pytest.raises(DataError, match="trajectories have times of their own"):
        exponent_of_series(record)
