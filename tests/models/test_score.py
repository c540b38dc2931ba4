"""Free runs after an initialisation window, and the refusal to call a training record a test."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import physode
from physode import systems
from physode.analysis import Persistence, simulation_error
from physode.errors import DataError, UnknownNameError
from physode.models.seen import RUN, digests
from physode.trajectories import add_noise

TIME = np.linspace(0.0, 9.0, 91)


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    """Two damped oscillations, the second within the range of the first, of which the position is measured, with noise."""
    starts = {"x": np.array([1.0, -0.6]), "v": np.array([0.0, 0.5])}
    return systems.get("damped-oscillator").simulate(TIME, starts, observe=["x"], noise=0.01, seed=0)


@pytest.fixture(scope="module")
def model(record: xr.Dataset) -> physode.SecondOrderNeuralODE:
    """A model that has seen the first 60 samples of the first trajectory."""
    return physode.SecondOrderNeuralODE(hidden=(4,)).fit(record.isel(trajectory=[0], time=slice(60)), seed=0)


@pytest.fixture
def other(record: xr.Dataset) -> xr.Dataset:
    """The trajectory that it has not seen."""
    return record.isel(trajectory=[1])


def test_the_error_is_that_of_the_samples_after_the_window(model: physode.SecondOrderNeuralODE, other: xr.Dataset) -> None:
    free = model.predict(other, warmup=20)["x"].values[0]
    error = (free - other["x"].values[0])[20:]
    found = simulation_error(model, other, warmup=20)
    assert found["rmse"].sel(state="x", trajectory=1).item() == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-12)
    assert 0.008 < found["rmse"].item() < 0.02  # the noise, 0.01, and no more than as much again
    assert found["scored"].item() == 71
    assert (found.attrs["warmup"], found["units"].item()) == (20, other["x"].attrs["units"])
    assert model.score(other, warmup=20, metric="rmse") == pytest.approx(found["rmse"].item(), rel=1e-12)
    measured = other["x"].values[0, 20:]
    assert model.score(other, warmup=20) == pytest.approx(1 - np.sum(error**2) / np.sum((measured - measured.mean()) ** 2), rel=1e-12)
    changed = other.copy(deep=True)
    changed["x"][:, 20:] += 5.0
    assert model.score(changed, warmup=20, metric="rmse") == pytest.approx(5.0, abs=0.02)


def test_without_a_window_the_whole_record_is_smoothed_and_scored(model: physode.SecondOrderNeuralODE, other: xr.Dataset) -> None:
    error = model.predict(other)["x"].values[0] - other["x"].values[0]
    found = simulation_error(model, other, None)
    assert found["rmse"].item() == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-12)
    assert (found["scored"].item(), found.attrs["warmup"]) == (91, 0)
    assert model.score(other, metric="rmse") < model.score(other, warmup=4, metric="rmse")


def test_missing_samples_are_not_scored_and_trajectories_count_by_their_samples(
    model: physode.SecondOrderNeuralODE, record: xr.Dataset
) -> None:
    gappy = record.copy(deep=True)
    gappy["x"][0, 30:80] = np.nan
    found = simulation_error(model, gappy, None)
    assert found["scored"].values.tolist() == [[41, 91]]
    pooled = np.sqrt((found["rmse"].values[0] ** 2 * [41, 91]).sum() / 132)
    assert model.score(gappy, metric="rmse") == pytest.approx(pooled, rel=1e-12)
    gappy["x"][:, 40:] = np.nan
    with pytest.raises(DataError, match="no measured sample of 'x' is left after a window of 50"):
        simulation_error(model, gappy, warmup=50)


def test_a_state_that_is_measured_within_the_window_alone_is_not_scored() -> None:
    ds = systems.get("damped-oscillator").simulate(TIME, n_trajectories=2, seed=0)
    ds["v"][:, 1:] = np.nan
    assert simulation_error(Persistence(), ds, warmup=1)["state"].values.tolist() == ["x"]


@pytest.mark.parametrize("part", [slice(0, 60), slice(0, 91), slice(13, 60), slice(3, 30)])
def test_a_record_that_was_fitted_is_refused_whole_and_in_part(
    part: slice, model: physode.SecondOrderNeuralODE, record: xr.Dataset
) -> None:
    with pytest.raises(DataError, match="after the window of 10 were used in fitting this model, in trajectory 0: that would be no test"):
        model.score(record.isel(time=part), warmup=10)
    later = record.isel(time=part).assign_coords(time=record["time"].isel(time=part) - record["time"].isel(time=part)[0])
    assert model.seen(later).tolist() == [True, False]
    assert model.score(record.isel(time=part)) > 0.99


def test_the_future_of_a_fitted_record_may_be_forecast_from_its_past(model: physode.SecondOrderNeuralODE, record: xr.Dataset) -> None:
    assert model.seen(record, warmup=60).tolist() == [False, False]
    first = record.isel(trajectory=[0])
    law = physode.SecondOrderNeuralODE(hidden=()).fit(first.isel(time=slice(60)), seed=0)  # linear, as the oscillator is
    assert model.score(first, warmup=60, metric="rmse") < 1.02 * law.score(first, warmup=60, metric="rmse") < 0.03
    with pytest.raises(DataError, match="trajectory 0:"):
        model.score(record, warmup=60 - 2 * RUN)


def test_another_draw_of_the_noise_is_another_record(model: physode.SecondOrderNeuralODE) -> None:
    starts = {"x": np.array([1.0]), "v": np.array([0.0])}
    again = systems.get("damped-oscillator").simulate(TIME, starts, observe=["x"], noise=0.01, seed=1)
    assert not model.seen(again).any()


def test_a_saved_model_remembers_what_it_was_fitted_to(model: physode.SecondOrderNeuralODE, record: xr.Dataset, tmp_path) -> None:
    model.save(tmp_path / "model.safetensors")
    assert physode.load(tmp_path / "model.safetensors").seen(record).tolist() == [True, False]


def test_files_in_between_do_not_hide_a_record(model: physode.SecondOrderNeuralODE, record: xr.Dataset) -> None:
    rounded = record.copy(deep=True)
    rounded["x"] = rounded["x"] * (1 + 1e-15)
    assert model.seen(rounded).tolist() == [True, False]
    finer = record.reindex(time=np.sort(np.concatenate([TIME, TIME[:-1] + 0.05])))  # missing samples in between
    assert model.seen(finer).tolist() == [True, False]


@pytest.mark.parametrize("kept", [np.arange(0, 91, 2), np.arange(1, 91, 3), np.random.default_rng(0).permutation(91)[:50]])
def test_a_record_that_was_thinned_for_the_fit_is_known(kept: np.ndarray, record: xr.Dataset) -> None:
    model = physode.SecondOrderNeuralODE(hidden=(2,), max_iterations=2).fit(record.isel(trajectory=[0], time=np.sort(kept)))
    assert model.seen(record, warmup=5).tolist() == [True, False]


def test_an_ensemble_knows_its_record(record: xr.Dataset) -> None:
    ensemble = physode.Ensemble(physode.SecondOrderNeuralODE(hidden=(2,), max_iterations=2), n_members=2).fit(record.isel(trajectory=[0]))
    with pytest.raises(DataError, match="after the window of 10 were used in fitting this model, in trajectory 0"):
        simulation_error(ensemble, record, 10)
    assert all(member.seen(record).tolist() == [True, False] for member in ensemble.members.values())


def test_standing_still_is_no_fingerprint_but_the_input_is() -> None:
    level = np.full(40, 10.0)
    level[:3] = [8.0, 8.5, 9.0]
    ds = physode.from_numpy(np.arange(40.0), level[:, None], ["x"], inputs={"force": np.sin(np.arange(40.0))})
    assert len(digests(ds, ["x"], [])) == 4 + 1  # different samples, and of five runs of 8
    assert len(digests(ds, ["x"], ["force"])) == 40 + 5


def test_records_of_few_digits_are_not_taken_for_each_other() -> None:
    time = np.arange(0.0, 40.0, 0.1)

    def coarse(seed: int) -> xr.Dataset:
        draws = np.random.default_rng(seed)
        large, small, *phases = draws.uniform([0.5, 0.1, 0, 0], [1.0, 0.3, 6, 6], (4, 4)).T[..., None]
        x = large * np.cos(1.1 * time + phases[0]) + small * np.cos(2.7 * time + phases[1])
        return physode.from_numpy(time, np.round(x / 0.05)[..., None] * 0.05, ["x"])

    record = coarse(1)
    model = physode.SecondOrderNeuralODE(hidden=(2,), max_iterations=1).fit(record)
    assert not model.seen(coarse(2), warmup=20).any()
    assert model.seen(record, warmup=20).all()
    assert model.seen(record.isel(time=slice(103, 180)), warmup=5).all()


def test_short_trajectories_are_known_as_a_whole() -> None:
    time = np.linspace(0.0, 1.0, 5)
    ds = systems.get("harmonic-oscillator").simulate(time, {"x": np.array([1.0, 0.5]), "v": np.array([0.0, 0.2])})
    model = physode.NeuralODE(hidden=(2,), max_iterations=2).fit(ds.isel(trajectory=[1]))
    assert model.seen(ds).tolist() == [False, True]


def test_states_of_different_units_share_no_error() -> None:
    ds = systems.get("damped-oscillator").simulate(TIME[:31], {"x": 1.0, "v": 0.0})
    model = physode.NeuralODE(hidden=(2,), max_iterations=2).fit(ds)
    with pytest.raises(DataError, match="have no root mean square error in common; see analysis.simulation_error"):
        model.score(ds, metric="rmse")
    with pytest.raises(UnknownNameError, match="unknown metric 'mse'; did you mean 'rmse'"):
        model.score(ds, metric="mse")
    both = simulation_error(model, ds, None)
    assert both["rmse"].dims == ("state", "trajectory")
    assert model.score(ds) == pytest.approx(float(both["r2"].mean()))


def test_a_prediction_believes_the_noise_that_its_own_record_states() -> None:
    clean = systems.get("damped-oscillator").simulate(np.linspace(0, 6, 31), n_trajectories=4, seed=1)
    model = physode.NeuralODE(hidden=(3,), max_iterations=5).fit(add_noise(clean.isel(trajectory=slice(2)), 0.01, seed=0))
    new = clean.isel(trajectory=slice(2, 4))
    errors = []
    for stated in (True, False):
        each = []
        for seed in range(5):
            rough = new.copy(deep=True)
            rough["x"] = new["x"] + 0.5 * np.random.default_rng(seed).standard_normal(new["x"].shape)
            rough["x"].attrs = new["x"].attrs
            if stated:
                rough["x_noise_std"], rough["v_noise_std"] = ((), 0.5, {"role": "noise"}), ((), 0.01, {"role": "noise"})
            each.append(float(abs(model.predict(rough, warmup=10)["x"] - new["x"]).mean()))
        errors.append(np.mean(each))
    assert errors[0] < 0.3 * errors[1]


def test_a_prediction_does_not_depend_on_the_noise_of_other_trajectories() -> None:
    clean = systems.get("damped-oscillator").simulate(np.linspace(0, 6, 31), n_trajectories=3, seed=1)
    record = add_noise(clean, 0.05, seed=0)
    record["x_noise_std"] = ("trajectory", [0.01, 0.01, 0.5], {"role": "noise"})
    record["v_noise_std"] = ((), 0.05, {"role": "noise"})
    model = physode.NeuralODE(hidden=(3,), max_iterations=5).fit(record)
    alone = model.predict(record.isel(trajectory=[2]), warmup=6)
    np.testing.assert_allclose(model.predict(record, warmup=6)["x"][2], alone["x"][0], rtol=0, atol=1e-6)
