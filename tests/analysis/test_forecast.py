"""Forecast errors of predictions whose error is known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from analysis_standins import Lorenz

from physode import systems
from physode.analysis import (
    Autoregression,
    Persistence,
    backward_prediction,
    energy_drift,
    exponent_of_series,
    forecast_error,
    precision_horizon,
    recovered_velocity,
)
from physode.errors import DataError, PhysodeError
from physode.trajectories import from_numpy, split

TIME = np.linspace(0, 10, 101)


@pytest.fixture
def record():
    return systems.get("damped-oscillator").simulate(TIME, n_trajectories=5, seed=0)


def shifted(record, **offsets):
    return record.assign({k: record[k] + v for k, v in offsets.items()})


def test_errors_are_root_mean_squares_in_units_and_in_deviations(record):
    growth = xr.DataArray(0.01 * TIME, dims="time")
    found = forecast_error(shifted(record, x=growth, v=-0.5), record)
    np.testing.assert_allclose(found.rmse.sel(state="x"), 0.01 * TIME, atol=1e-12)
    np.testing.assert_allclose(found.rmse.sel(state="v"), 0.5)
    np.testing.assert_allclose(found.nrmse.sel(state="v"), 0.5 / record.v.values.std())
    still = np.sqrt(((record.x - record.x[:, 0]) ** 2).mean("trajectory")) / record.x.values.std()
    np.testing.assert_allclose(found.persistence_nrmse.sel(state="x"), still)
    assert found.units.values.tolist() == ["m", "m s-1"]
    assert found.time.attrs["long_name"] == "horizon"


def test_valid_time_is_where_the_mean_error_crosses_the_threshold(record):
    sx, sv = record.x.values.std(), record.v.values.std()
    growth = xr.DataArray(0.1 * TIME, dims="time")
    made = shifted(record, x=growth * sx, v=growth * sv)
    found = forecast_error(made, record, exponent=0.9)
    np.testing.assert_allclose(found.valid_time, 5.0, atol=0.101)  # at the threshold rounding decides
    np.testing.assert_allclose(found.valid_lyapunov_times, 0.9 * found.valid_time)
    assert found.median_valid_time == pytest.approx(np.median(found.valid_time))
    np.testing.assert_allclose(forecast_error(made, record, threshold=0.25).valid_time, 2.5, atol=0.101)
    np.testing.assert_allclose(forecast_error(record, record).valid_time, 10.0)
    assert (found.persistence_valid_time < 2.0).all()
    one = forecast_error(shifted(record, x=growth * sx), record)
    np.testing.assert_allclose(one.valid_time, 7.1, atol=0.01)  # averaged over two states, of which one is exact


def test_lost_prediction_is_invalid_from_there(record):
    made = record.copy(deep=True)
    for gone in (np.nan, np.inf):
        made.x[2, 40:] = gone
        found = forecast_error(made, record)
        np.testing.assert_allclose(found.valid_time, [10.0, 10.0, 4.0, 10.0, 10.0])
        assert found.rmse.sel(state="x")[39] == 0.0
        assert np.isinf(found.rmse.sel(state="x")[40])


def test_forecast_starts_where_the_training_part_ends(record):
    marked = split(record, test=0.4, by="time")
    last = float(record.time.values[marked.split.values == "train"].max())
    found = forecast_error(marked, marked)
    assert found.time[0] == 0.0
    assert found.time[-1] == pytest.approx(10.0 - last)
    x = record.x
    still = np.sqrt(((x - x.sel(time=last)) ** 2).mean("trajectory")).sel(time=slice(last, None)) / x.values.std()
    np.testing.assert_allclose(found.persistence_nrmse.sel(state="x"), still)
    np.testing.assert_allclose(forecast_error(record, record, start=8.0).time, TIME[80:] - 8.0)
    with pytest.raises(DataError, match="no time lies after the start of the forecast, 11"):
        forecast_error(record, record, start=11.0)


class Smoother:
    """A model that repeats what it is shown, from there on zeros."""

    def predict(self, ds, warmup=None):
        self.shown, self.warmup = ds, warmup
        return ds.fillna(0.0)


def test_a_model_does_not_see_what_it_is_to_forecast(record):
    marked, model = split(record, test=0.4, by="time"), Smoother()
    late = float(marked.time.values[marked.split.values == "train"].max())
    for given, start in ((marked, None), (record, 2.0), (marked, 2.0)):
        begin = late if start is None else start
        found = forecast_error(model, given, start=start)
        expected = np.sqrt((record.x.sel(time=slice(begin, None)) ** 2).mean("trajectory"))
        np.testing.assert_allclose(found.rmse.sel(state="x")[1:], expected[1:])
        assert model.warmup == int((record.time <= begin).sum())
        assert model.shown.x.attrs == record.x.attrs
    forecast_error(model, marked, warmup=5)  # the model itself keeps to it
    assert model.warmup == 5
    assert model.shown.identical(marked)
    with pytest.raises(DataError, match="no time of the record is as early as the start of the forecast, -1"):
        forecast_error(model, record, start=-1.0)


def test_a_trajectory_that_ends_before_the_start_leaves_the_others_their_forecasts():
    time, model = [np.linspace(0, 1, 30), np.linspace(0, 10, 11)], Smoother()
    record = from_numpy(time, [np.cos(t)[:, None] for t in time], ["x"])
    forecast_error(model, record, start=2.0)
    assert model.warmup == 29  # a model asks for one to forecast
    np.testing.assert_array_equal(np.isfinite(model.shown.x).sum("obs"), [30, 3])


def test_what_is_not_known_is_not_valid(record):
    gap = record.copy(deep=True)
    gap.x[0, 0] = np.nan
    whole, found = (forecast_error(ds, ds) for ds in (record, gap))
    assert np.isnan(found.persistence_valid_time[0])
    np.testing.assert_allclose(found.persistence_valid_time[1:], whole.persistence_valid_time[1:], atol=0.11)
    assert np.isnan(forecast_error(record, record, start=-10.0).persistence_valid_time).all()
    late = record.copy(deep=True)
    late.x[1, 51:], late.v[1, 51:], late.x[0, 61:] = np.nan, np.nan, np.nan
    assert forecast_error(late, late).valid_time.values.tolist() == [10.0, 5.0, 10.0, 10.0, 10.0]
    wrong = shifted(late, x=xr.DataArray([0.0, 0.0, 9.0, 9.0, 0.0], dims="trajectory"))
    found = forecast_error(wrong, late, start=5.0)
    np.testing.assert_allclose(found.valid_time, [5.0, np.nan, 0.0, 0.0, 5.0])
    assert float(found.median_valid_time) == 2.5
    nothing = late.isel(trajectory=[1])
    found = forecast_error(nothing, nothing, start=5.0)
    assert np.isnan([found.median_valid_time, found.valid_time[0], *found.smape]).all()


def test_truth_counts_where_it_is_known():
    noisy = systems.get("pendulum").simulate(TIME, n_trajectories=2, observe=["theta"], noise=0.2, seed=0)
    made = noisy[["theta_true", "omega_true"]].rename(theta_true="theta", omega_true="omega")
    found = forecast_error(made, noisy)
    assert found.state.values.tolist() == ["theta", "omega"]
    assert float(found.rmse.max()) == 0.0


def test_irregular_records_are_gathered_by_horizon():
    rng = np.random.default_rng(0)
    time = [np.concatenate([[start], start + np.sort(rng.uniform(0, 8, n))]) for start, n in ((0.0, 60), (5.0, 90))]
    record = from_numpy(time, [np.sin(t)[:, None] for t in time], ["x"])
    made = record.assign(x=record.x + (record.time - record.time.min("obs")) * 0.1)
    found = forecast_error(made, record)
    assert found.sizes["time"] == 50
    usable = np.isfinite(found.rmse[0])
    np.testing.assert_allclose(found.rmse[0][usable], 0.1 * found.time[usable], atol=0.01)
    assert (np.abs(found.valid_time - 5 * record.x.values[np.isfinite(record.x.values)].std()) < 0.3).all()


def test_model_is_asked_to_predict(record):
    class Model:
        def predict(self, ds, warmup=None):
            return shifted(ds, x=float(warmup))

    np.testing.assert_allclose(forecast_error(Model(), record, warmup=3).rmse.sel(state="x"), 3.0)


def test_numbers_that_make_no_sense_are_told(record):
    for options in ({"threshold": np.nan}, {"threshold": 0}, {"exponent": -0.9}, {"exponent": np.inf}):
        name, value = next(iter(options.items()))
        with pytest.raises(PhysodeError, match=f"{name} is {value}; give a finite positive number"):
            forecast_error(record, record, **options)
    with pytest.raises(PhysodeError, match="threshold is nan"):
        precision_horizon(systems.get("damped-oscillator"), record, threshold=np.nan)


def test_other_coordinates_and_states_are_told(record):
    with pytest.raises(DataError, match="the prediction's 'time' differs from the record's"):
        forecast_error(record.assign_coords(time=record.time + 1e-9), record)
    with pytest.raises(DataError, match="shares no state with the record: a, b"):
        forecast_error(record.rename(x="a", v="b"), record)


def test_backward_forecast_starts_at_the_end(record):
    growth = xr.DataArray(0.1 * (10 - TIME), dims="time")
    made = shifted(record, x=growth)
    found = forecast_error(made, record, backward=True)
    np.testing.assert_allclose(found.rmse.sel(state="x"), 0.1 * found.time, atol=1e-12)
    still = np.sqrt(((record.x - record.x[:, -1]) ** 2).mean("trajectory")) / record.x.values.std()
    np.testing.assert_allclose(found.persistence_nrmse.sel(state="x"), still[::-1])
    assert forecast_error(made, record, backward=True, start=4.0).time[-1] == pytest.approx(4.0)


def test_a_system_finds_its_way_back_and_a_damped_one_does_not():
    free, damped = systems.get("harmonic-oscillator"), systems.get("damped-oscillator")
    record = free.simulate(TIME, n_trajectories=3, seed=0)
    assert float(forecast_error(free, record, backward=True).rmse.max()) < 1e-6
    lost = forecast_error(damped, record, backward=True)
    assert float(lost.nrmse.sel(state="x").max()) > 0.5
    with pytest.raises(DataError, match="a System predicts nothing by itself"):
        forecast_error(free, record)


def test_backward_on_irregular_and_partly_missing_records():
    oscillator = systems.get("harmonic-oscillator")
    time = [np.sort(np.random.default_rng(i).uniform(0, 5, n)) for i, n in enumerate((20, 30))]
    record = from_numpy(time, [np.stack([np.cos(t), -np.sin(t)], axis=1) for t in time], ["x", "v"])
    found = forecast_error(oscillator, record, backward=True)
    assert float(found.rmse.max()) < 1e-8
    gap = record.copy(deep=True)
    gap.x[0, 19] = np.nan
    assert float(forecast_error(oscillator, gap, backward=True).rmse.max()) < 1e-8  # from the last state that is known
    gap.x[0] = np.nan
    assert float(forecast_error(oscillator, gap, backward=True).rmse.max()) == np.inf  # none is


def test_a_field_goes_back_from_the_start_and_from_where_its_states_are_known(record):
    damped, free = systems.get("damped-oscillator"), systems.get("harmonic-oscillator")
    found = forecast_error(free, record, backward=True, start=3.0)
    assert found.rmse.sel(time=0.0).max() == 0.0  # the true state there
    np.testing.assert_allclose(found.time, (3.0 - TIME[TIME <= 3.0])[::-1], atol=1e-12)
    gap = record.copy(deep=True)
    gap.x[1, 99:], gap.v[2, 30] = np.nan, np.nan
    for start in (None, 3.0, 9.9):
        assert float(forecast_error(damped, gap, backward=True, start=start).nrmse.max()) < 1e-5
    assert forecast_error(damped, gap, backward=True).valid_time.values == pytest.approx([10.0, 9.8, 10.0, 10.0, 10.0])
    back = backward_prediction(damped, gap, start=[3.0, 3.0, 3.0, 9.95, 11.0])
    np.testing.assert_array_equal(np.isfinite(back.x).sum("time"), [31, 31, 32, 101, 101])


def test_symmetric_error_of_known_ratios(record):
    for factor, percent in ((1.0, 0.0), (3.0, 100.0), (0.0, 200.0), (-1.0, 200.0), (np.nan, 200.0), (np.inf, 200.0)):
        assert forecast_error(record.assign(x=factor * record.x), record).smape.sel(state="x") == pytest.approx(percent)
    half = record.x.where(record.time < 5.05, 3 * record.x)  # counted is what lies ahead of the start
    assert float(forecast_error(record.assign(x=half), record).smape[0]) == pytest.approx(50.0)
    assert float(forecast_error(record.assign(x=half), record, start=5.0).smape[0]) == pytest.approx(100.0)


def test_the_horizon_counts_from_the_last_observation_of_the_warmup(record):
    class Model:
        def predict(self, ds, warmup=None):
            return ds

    found = forecast_error(Model(), record, warmup=11)
    np.testing.assert_allclose(found.time, TIME[10:] - 1.0)
    np.testing.assert_allclose(found.valid_time, 9.0)
    np.testing.assert_allclose(forecast_error(Model(), record, warmup=11, start=2.0).time, TIME[20:] - 2.0)


def test_no_forecast_is_valid_beyond_what_the_record_itself_is_true_to():
    oscillator = systems.get("harmonic-oscillator")
    record = oscillator.simulate(TIME, n_trajectories=2, seed=0)
    np.testing.assert_allclose(precision_horizon(oscillator, record), 10.0)
    wrong = record.copy(deep=True)
    wrong.x[1, 40:] += 2 * float(record.x.std())
    np.testing.assert_allclose(precision_horizon(oscillator, wrong), [10.0, 4.0])
    np.testing.assert_allclose(precision_horizon(oscillator, wrong, threshold=5.0), 10.0)
    np.testing.assert_allclose(precision_horizon(oscillator, wrong, start=1.5), [8.5, 2.5])
    np.testing.assert_allclose(precision_horizon(oscillator, wrong, start=np.array([1.0, 3.0])), [9.0, 1.0])
    early = record.copy(deep=True)
    early.x[1, :41] += 2 * float(record.x.std())
    np.testing.assert_allclose(precision_horizon(oscillator, early, backward=True), [10.0, 6.0])
    found = forecast_error(wrong, wrong, truth=oscillator, exponent=2.0, start=1.5)
    np.testing.assert_allclose(found.valid_time, [8.5, 2.5])
    np.testing.assert_allclose(found.precision_horizon, [8.5, 2.5])
    np.testing.assert_allclose(found.valid_lyapunov_times, [17.0, 5.0])
    with pytest.raises(DataError, match="the true states v of 'harmonic-oscillator' are not known"):
        precision_horizon(oscillator, record.drop_vars("v"))


def test_a_chaotic_record_is_true_for_as_long_as_its_solver_lets_it():
    lorenz = systems.get("lorenz")
    time = np.linspace(0, 20, 201)
    coarse, fine = (lorenz.simulate(time, seed=1, rtol=rtol, atol=1e-2 * rtol) for rtol in (1e-4, 1e-6))
    early, late = (float(precision_horizon(Lorenz(), record)[0]) for record in (coarse, fine))
    assert 0.9056 * (late - early) == pytest.approx(np.log(100), abs=2.5)  # a hundred times the error: so many Lyapunov times less


def test_states_say_what_they_are_backward_in_time_too():
    pendulum = systems.get("pendulum")
    known = pendulum.simulate(np.linspace(0, 1, 6), seed=0)
    found = backward_prediction(pendulum, known)
    assert found["omega"].attrs == {name: known["omega"].attrs[name] for name in ("units", "long_name", "role", "time_derivative_of")}


OSCILLATOR = systems.get("damped-oscillator")
ASKED = {
    "forecast_error": lambda ds: forecast_error(ds, ds),
    "forecast_error backward": lambda ds: forecast_error(OSCILLATOR, ds, backward=True),
    "backward_prediction": lambda ds: backward_prediction(OSCILLATOR, ds),
    "precision_horizon": lambda ds: precision_horizon(OSCILLATOR, ds),
    "exponent_of_series": exponent_of_series,
    "recovered_velocity": lambda ds: recovered_velocity(OSCILLATOR, ds),
    "energy_drift": lambda ds: energy_drift(OSCILLATOR, ds, energy=OSCILLATOR),
    "Persistence": lambda ds: Persistence().predict(ds),
    "Autoregression": lambda ds: Autoregression().fit(ds),
}


@pytest.mark.parametrize("asked", ASKED)
def test_an_empty_record_is_told(record, asked):
    for dim in ("trajectory", "time"):
        with pytest.raises(DataError, match=f"the record has no {dim}; it is empty"):
            ASKED[asked](record.isel({dim: []}))


def test_one_time_is_no_series(record):
    with pytest.raises(DataError, match="the record has one time, at which no pair can be followed"):
        exponent_of_series(record.isel(time=[0]))
    with pytest.raises(DataError, match="no trajectory of the record has two times; an autoregression needs a sampling interval"):
        Autoregression().fit(record.isel(time=[0]))
