"""Simple forecasts, whose weights and errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from physode import systems
from physode.analysis import Autoregression, Persistence, baselines, forecast_error, prediction_band, simulation_error
from physode.errors import DataError, PhysodeError
from physode.trajectories import from_numpy

TIME = np.linspace(0, 10, 101)


@pytest.fixture
def record():
    return systems.get("damped-oscillator").simulate(TIME, n_trajectories=6, seed=0)


def process(n, seed):
    """Give a series in which each value is a known function of the last three."""
    random = np.random.default_rng(seed)
    x = np.zeros(n)
    for i in range(3, n):
        x[i] = 0.2 + 0.9 * x[i - 1] - 0.5 * x[i - 2] + 0.4 * x[i - 3] + 0.1 * random.standard_normal()
    return from_numpy(np.arange(n, dtype=float), x, ["x"])


def test_akaikes_criterion_finds_the_order_and_least_squares_the_weights():
    model = Autoregression().fit(process(5000, 0))
    assert model.order_ == 3
    np.testing.assert_allclose(model.weights_[:, 0], [0.9, -0.5, 0.4, 0.2], atol=0.05)
    assert Autoregression(most=2).fit(process(5000, 0)).order_ == 2
    series = process(50, 1)
    path = model.predict(series, warmup=10).x.values[0]
    x, w = series.x.values[0], model.weights_[:, 0]
    np.testing.assert_array_equal(path[:10], x[:10])
    first = w[0] * x[9] + w[1] * x[8] + w[2] * x[7] + w[3]
    np.testing.assert_allclose(path[10:12], [first, w[0] * first + w[1] * x[9] + w[2] * x[8] + w[3]])


def test_a_linear_map_is_exact_for_a_linear_system_and_two_past_positions_stand_for_a_velocity(record):
    linear = Autoregression(order=1).fit(record)
    assert float(forecast_error(linear, record, warmup=1).nrmse.max()) < 1e-7
    hidden = record[["x"]].assign_attrs(system="damped-oscillator")
    assert float(forecast_error(Autoregression(order=2).fit(hidden), hidden, warmup=2).nrmse.max()) < 1e-7
    assert float(forecast_error(Autoregression(order=1).fit(hidden), hidden, warmup=2).nrmse.max()) > 0.1


@pytest.mark.parametrize("size", [1e-12, 1e15])
def test_neither_order_nor_forecast_depends_on_the_units(record, size):
    other = record.assign(v=record.v * size)
    assert float(forecast_error(Autoregression(order=1).fit(other), other, warmup=1).nrmse.max()) < 1e-7
    assert Autoregression().fit(other).order_ == Autoregression().fit(record).order_


def test_baselines_have_the_layout_of_a_forecast_error(record):
    train, test = record.isel(trajectory=slice(4)), record.isel(trajectory=slice(4, 6))
    found = baselines(train, test, warmup=5, exponent=0.5, threshold=0.2)
    assert found.model.values.tolist() == ["persistence", "linear", "autoregression"]
    one = forecast_error(Persistence(), test, warmup=5, exponent=0.5, threshold=0.2)
    assert set(found.data_vars) == set(one.data_vars)
    np.testing.assert_array_equal(found.nrmse.sel(model="persistence"), one.persistence_nrmse)
    np.testing.assert_array_equal(found.valid_time.sel(model="persistence"), one.valid_time)
    np.testing.assert_allclose(found.valid_time.sel(model="linear"), TIME[-1] - TIME[4])
    assert found.order.values[1] == 1
    assert found.units.values.tolist() == ["m", "m s-1"]
    assert (found.time[0], found.attrs["threshold"]) == (0.0, 0.2)


def test_persistence_keeps_the_last_known_value(record):
    gap = record.copy(deep=True)
    gap.x[0, 3:8], gap.v[1, :2] = np.nan, np.nan
    found = Persistence().predict(gap, warmup=6)
    np.testing.assert_array_equal(found.x[0, 3:], np.full(98, record.x.values[0, 2]))
    np.testing.assert_array_equal(found.v[1, :2], np.full(2, record.v.values[1, 2]))
    np.testing.assert_array_equal(found.x[2, 5:], np.full(96, record.x.values[2, 5]))


def test_without_a_warmup_a_baseline_knows_no_more_than_it_needs(record):
    np.testing.assert_array_equal(Persistence().predict(record).x, np.repeat(record.x.values[:, :1], 101, axis=1))
    found = forecast_error(Persistence(), record)
    np.testing.assert_array_equal(found.nrmse, found.persistence_nrmse)
    model = Autoregression(order=2).fit(record[["x"]])
    np.testing.assert_array_equal(model.predict(record).x, model.predict(record, warmup=2).x)
    late = forecast_error(Persistence(), record, start=3.0)
    np.testing.assert_array_equal(late.nrmse, late.persistence_nrmse)


def test_an_autoregression_goes_on_where_a_trajectory_was_last_measured(record):
    model, gap = Autoregression(order=1).fit(record), record.where((record.trajectory > 0) | (record.time < 0.95))
    made = model.predict(gap, warmup=20)
    np.testing.assert_allclose(made.x[0], model.predict(record, warmup=10).x[0])
    np.testing.assert_array_equal(made.x[1], model.predict(record, warmup=20).x[1])


@pytest.mark.parametrize("warmup", [0, -2, 1.5])
def test_a_warmup_is_a_positive_whole_number(record, warmup):
    calls = [
        lambda: Persistence().predict(record, warmup),
        lambda: Autoregression(order=1).fit(record).predict(record, warmup),
        lambda: baselines(record, record, warmup),
        lambda: forecast_error(record, record, warmup=warmup),
        lambda: simulation_error(Persistence(), record, warmup),
        lambda: prediction_band(record.expand_dims(seed=2), record, warmup=warmup),
    ]
    for call in calls:
        with pytest.raises(PhysodeError, match=f"warmup is {warmup}; give a whole number, 1 or more"):
            call()


def test_gaps_are_left_out_of_the_fit(record):
    gap = record.copy(deep=True)
    gap.x[:, 30:40] = np.nan
    np.testing.assert_allclose(Autoregression(order=1).fit(gap).weights_, Autoregression(order=1).fit(record).weights_, atol=1e-8)


def test_times_since_1970_are_even(record):
    late = record.assign_coords(time=1.7e9 + 0.02 * np.arange(len(TIME)))
    model = Autoregression(order=1).fit(late)
    assert model.step_ == pytest.approx(0.02, rel=1e-6)
    assert np.isfinite(model.predict(late.isel(time=slice(8)), warmup=5).x).all()  # few steps have a worse mean


def test_what_does_not_fit_is_told(record):
    uneven = from_numpy([np.array([0.0, 1.0, 3.0, 4.0])], [np.arange(4.0)[:, None]], ["x"])
    with pytest.raises(DataError, match="is sampled every 1 to 2"):
        Autoregression().fit(uneven)
    model = Autoregression(order=4).fit(record)
    with pytest.raises(DataError, match=r"sampled every 0\.2, the training record every 0\.1"):
        model.predict(record.isel(time=slice(None, None, 2)), warmup=5)
    with pytest.raises(DataError, match="order 4 starts from as many observations, found 3"):
        model.predict(record, warmup=3)
    with pytest.raises(DataError, match="too short for an autoregression of order 10"):
        Autoregression(order=10).fit(record.isel(trajectory=[0], time=slice(20)))
