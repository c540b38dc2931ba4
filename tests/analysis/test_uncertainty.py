"""Bands of made-up ensembles whose spread is known: coverage, width and correction come out as they must."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from physode.analysis import LEVELS, conformal, coverage, prediction_band
from physode.errors import DataError, UnknownNameError
from physode.trajectories import from_numpy

TIME = np.linspace(0, 10, 21)


def made(n_trajectories, seed, *, n_members=8, wrong=1.0, noise=0.0, centred=True):
    """Give a record whose true states are what members scatter about, by `wrong` times too little; errors are constant in time."""
    random = np.random.default_rng(seed)
    centre = np.sin(TIME + np.arange(n_trajectories)[:, None])
    size = 1 + 0.5 * np.cos(TIME)  # the spread breathes, and the error with it
    truth = centre + wrong * size * random.standard_normal((n_trajectories, 1))
    observed = truth + noise * random.standard_normal(truth.shape)
    record = from_numpy(TIME, observed[..., None], ["x"], units={"x": "m"})
    record["x_true"] = (record.x.dims, truth, {"units": "m", "role": "truth"})
    members = centre + size * random.standard_normal((n_members, n_trajectories, 1))
    prediction = xr.Dataset({"x": (("seed", *record.x.dims), members, {"units": "m"})}, record.coords)
    if centred:
        prediction["x_centre"] = (record.x.dims, centre)
    if noise:
        prediction["x_noise_std"] = ((), noise)
    return record, prediction


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("n_members", [2, 8])
def test_a_band_covers_at_every_level_what_is_drawn_as_its_members_are(centred, n_members):
    record, prediction = made(2000, 0, n_members=n_members, centred=centred)
    found = coverage(prediction_band(prediction, record, LEVELS), record)
    np.testing.assert_allclose(found.coverage[:, 0], LEVELS, atol=0.035)  # one error per trajectory: standard error 0.011
    assert float(found.standard_error.sel(level=0.5)[0]) == pytest.approx(0.5 / np.sqrt(2000), rel=0.02)
    assert (found.width.diff("level") > 0).all()
    assert found.attrs["n_trajectories"] == 2000


def test_a_band_has_the_width_of_students_t_and_the_units_of_its_state():
    record, prediction = made(3, 0)
    band = prediction_band(prediction, record, 0.9)
    distance = np.sqrt(((prediction.x - prediction.x_centre) ** 2).mean("seed"))
    np.testing.assert_allclose(band.x_upper - band.x_median, 1.8595480375 * distance)  # t of 8 degrees, 95 %
    np.testing.assert_array_equal(band.x_median, prediction.x_centre)
    assert band.x_lower.attrs["units"] == "m"
    assert (float(band.level), band.attrs["target"], band.attrs["warmup"]) == (0.9, "truth", 0)
    plain = prediction_band(prediction.drop_vars("x_centre"), record, 0.9)
    np.testing.assert_allclose(plain.x_upper - plain.x_median, 1.8945786051 * np.sqrt(9 / 8) * prediction.x.std("seed", ddof=1))
    np.testing.assert_allclose(plain.x_median, prediction.x.mean("seed"))


@pytest.mark.parametrize("kind", [tuple, np.array, xr.DataArray])
def test_levels_may_come_as_any_array(kind):
    record, prediction = made(3, 0)
    band = prediction_band(prediction, record, kind([0.5, 0.9]))
    np.testing.assert_array_equal(band.level, [0.5, 0.9])
    np.testing.assert_array_equal(band.x_upper[1], prediction_band(prediction, record, 0.9).x_upper)


def test_a_band_asks_an_ensemble_to_predict():
    record, prediction = made(3, 0)

    class Members:
        def predict(self, ds, warmup=None):
            return prediction + warmup

    band = prediction_band(Members(), record, warmup=5)
    np.testing.assert_allclose(band.x_median, prediction.x_centre + 5)
    assert band.attrs["warmup"] == 5


def test_a_band_for_observations_adds_the_noise():
    record, prediction = made(1000, 0, noise=0.7)
    truth, observed = (prediction_band(prediction, record, LEVELS, target=target) for target in ("truth", "observation"))
    np.testing.assert_allclose(coverage(observed, record).coverage[:, 0], LEVELS, atol=0.03)
    assert (observed.x_upper > truth.x_upper).all()
    calm = prediction.assign(x=prediction.x_centre + 0 * prediction.x)
    exact = prediction_band(calm, record, 0.9, target="observation")
    np.testing.assert_allclose(exact.x_upper - exact.x_median, 1.6448536270 * 0.7)  # the noise is known: a normal distribution
    with pytest.raises(DataError, match="no 'x_noise_std'"):
        prediction_band(prediction.drop_vars("x_noise_std"), record, target="observation")


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("n_members", [2, 3, 4])
def test_a_band_for_observations_by_few_members_holds_no_less_than_it_says(n_members, centred):
    record, prediction = made(20000, 0, n_members=n_members, noise=0.3, centred=centred)
    found = coverage(prediction_band(prediction, record, [0.5, 0.9], target="observation"), record).coverage[:, 0]
    assert (found > [0.495, 0.897]).all()  # standard errors 0.003 and 0.002
    assert (found < [0.53, 0.93]).all()


def test_coverage_counts_after_the_warmup_and_weighs_trajectories_the_same():
    record, prediction = made(2, 0)
    band = prediction_band(prediction, record, 0.5)
    band.x_lower[:], band.x_upper[:] = -100.0, 100.0
    band.x_upper[0, 16:] = -100.0
    whole, late = coverage(band, record), coverage(band.assign_attrs(warmup=11), record)
    np.testing.assert_allclose(whole.trajectory_coverage[:, 0], [16 / 21, 1.0])
    np.testing.assert_allclose(late.trajectory_coverage[:, 0], [0.5, 1.0])
    assert float(late.coverage[0]) == 0.75
    assert float(late.standard_error[0]) == pytest.approx(0.25)
    gap = record.copy(deep=True)
    gap.x_true[1, :15] = np.nan
    np.testing.assert_allclose(coverage(band, gap).coverage, [(16 / 21 + 1) / 2])
    deviation = record.x_true.values[:, 11:].std()
    assert float(late.width[0]) == pytest.approx((200 - 200 * 5 / 20) / deviation)


@pytest.mark.parametrize("wrong", [0.4, 3.0])
def test_a_conformal_band_covers_what_it_says_though_the_ensemble_does_not(wrong):
    calibration, of_calibration = made(1500, 1, wrong=wrong)
    record, prediction = made(1000, 2, wrong=wrong)
    band, other = prediction_band(prediction, record, LEVELS), prediction_band(of_calibration, calibration, LEVELS)
    better = conformal(band, other, calibration)
    assert abs(float(coverage(band, record).coverage.sel(level=0.8)[0]) - 0.8) > 0.15
    np.testing.assert_allclose(coverage(better, record).coverage[:, 0], LEVELS, atol=0.05)  # standard error 0.02
    assert float(better.correction.sel(level=0.8)[0]) == pytest.approx(wrong, rel=0.15)
    one = conformal(prediction_band(prediction, record, 0.8), prediction_band(of_calibration, calibration, 0.8), calibration)
    np.testing.assert_allclose(one.x_lower, better.x_lower.sel(level=0.8).transpose(*one.x_lower.dims))
    np.testing.assert_array_equal(one.x_median, band.x_median)


def test_few_calibration_trajectories_hold_their_promise_on_average():
    covered = []
    for draw in range(40):
        calibration, of_calibration = made(9, 100 + draw, wrong=2.0)
        record, prediction = made(30, 200 + draw, wrong=2.0)
        band, other = prediction_band(prediction, record, 0.8), prediction_band(of_calibration, calibration, 0.8)
        covered.append(float(coverage(conformal(band, other, calibration), record).coverage[0]))
    assert 0.8 - 0.03 < np.mean(covered) < 0.8 + 0.1 + 0.03  # between the level and 1 / (k + 1) above it; standard error 0.015


def test_each_state_has_its_own_correction():
    record, prediction = made(20, 0)
    twice = record.assign(y=record.x, y_true=record.x_true + 3)
    both = prediction.assign(y=prediction.x, y_centre=prediction.x_centre)
    band = prediction_band(both, twice, 0.5)
    found = conformal(band, band, twice).correction
    assert float(found.sel(state="y")) > 2 * float(found.sel(state="x"))


def test_lost_members_widen_and_lost_predictions_never_end():
    record, prediction = made(2, 0)
    gone = prediction.copy(deep=True)
    gone.x[:6, 0, 10:] = np.nan
    gone.x[:7, 1, 10:] = np.inf
    band = prediction_band(gone, record, 0.9)
    rest = np.sqrt(((prediction.x - prediction.x_centre)[6:, 0, 10:] ** 2).mean("seed"))
    np.testing.assert_allclose((band.x_upper - band.x_median)[0, 10:], 2.9199855804 * rest)  # t of 2 degrees
    assert np.isinf(band.x_upper[1, 10:]).all()
    assert np.isinf(coverage(band, record).width[0])


def test_what_does_not_fit_is_told():
    record, prediction = made(5, 0)
    with pytest.raises(DataError, match="the level is 90; it is a probability"):
        prediction_band(prediction, record, 90)
    with pytest.raises(UnknownNameError, match="unknown target 'thruth'"):
        prediction_band(prediction, record, target="thruth")
    with pytest.raises(DataError, match="has 0 members"):
        prediction_band(prediction.isel(seed=0), record)
    with pytest.raises(DataError, match="shares no state with the record: y, x_centre"):
        prediction_band(prediction.rename(x="y"), record)
    for other in (prediction.isel(time=slice(5)), prediction.assign_coords(time=prediction.time + 100)):
        with pytest.raises(DataError, match="the prediction's 'time' differs from the record's"):
            prediction_band(other, record)
    with pytest.raises(DataError, match="the prediction's 'trajectory' differs from the record's"):
        prediction_band(prediction.isel(trajectory=slice(None, None, -1)), record)
    with pytest.raises(DataError, match="has the dimension 'model', and a band is that of one"):
        prediction_band(prediction.expand_dims(model=["a", "b"]), record)
    with pytest.raises(DataError, match=r"or of a fitted physode.Ensemble, which predicts them; found a dict"):
        prediction_band({1: prediction}, record)
    band = prediction_band(prediction, record)
    with pytest.raises(DataError, match="takes at least 9 calibration trajectories, found 5"):
        conformal(band, band, record)
    with pytest.raises(DataError, match=r"has the levels \[0.9\], its calibration \[0.5\]"):
        conformal(band, prediction_band(prediction, record, 0.5), record)
    with pytest.raises(DataError, match="has the target 'truth', its calibration 'observation'"):
        conformal(band, band.assign_attrs(target="observation"), record)
    with pytest.raises(DataError, match="the truth of this record is not known"):
        coverage(band, record.drop_vars("x_true"))
    with pytest.raises(DataError, match="the band's 'time' differs"):
        coverage(band, record.isel(time=slice(5)))
    with pytest.raises(DataError, match="no value is left to count after the first 21"):
        coverage(band.assign_attrs(warmup=21), record)
