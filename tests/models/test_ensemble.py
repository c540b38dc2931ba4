"""Ensembles: what members are fitted to, what their predictions hold, and whether the bands cover what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest

import physode
from physode import systems
from physode.analysis import conformal, coverage, prediction_band
from physode.errors import DataError, FileFormatError, NotFittedError, PhysodeError
from physode.models.ensemble import _redrawn
from physode.training.stages import Stages
from physode.trajectories import add_noise, from_numpy, validate

TIME = np.linspace(0, 5, 21)


@pytest.fixture(scope="module")
def record():
    return systems.get("harmonic-oscillator").simulate(TIME, n_trajectories=2, observe=["x"], noise=0.05, seed=0).drop_vars("x_noise_std")


@pytest.fixture(scope="module")
def ensemble(record):
    return physode.Ensemble(physode.SecondOrderNeuralODE(hidden=(3,), max_iterations=4), n_members=2).fit(record, seed=4)


def test_members_have_seeds_of_their_own_and_the_given_hyperparameters(ensemble):
    assert list(ensemble.members) == [5, 6]
    assert all(model.get_params() == ensemble.model.get_params() for model in [ensemble.centre, *ensemble.members.values()])
    weights = [model.module_.state_dict()["net.layers.0.weight"].numpy() for model in [ensemble.centre, *ensemble.members.values()]]
    assert len({w.tobytes() for w in weights}) == 3


@pytest.mark.parametrize("during", [1, 2])
def test_an_interrupt_keeps_what_the_members_have_and_no_half_fitted_centre(record, during, monkeypatch):
    calls, refine = [], Stages.refine

    def interrupted(stages):
        calls.append(stages)
        if len(calls) == during:
            raise KeyboardInterrupt
        refine(stages)

    monkeypatch.setattr(Stages, "refine", interrupted)
    ensemble = physode.Ensemble(physode.SecondOrderNeuralODE(hidden=(3,), max_iterations=4), n_members=2)
    if during == 1:
        with pytest.raises(KeyboardInterrupt):
            ensemble.fit(record)
        with pytest.raises(NotFittedError):
            ensemble.predict(record)
        return
    members = ensemble.fit(record).members
    assert [member.result_.status for member in members.values()] == ["interrupted"] * 2
    assert ensemble.centre.result_.status != "interrupted"


def test_members_that_never_took_a_step_are_none(record, monkeypatch):
    calls, shoot = [], Stages.warm_start

    def interrupted(stages):
        calls.append(stages)
        if len(calls) == 2:
            raise KeyboardInterrupt
        shoot(stages)

    monkeypatch.setattr(Stages, "warm_start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        physode.Ensemble(physode.SecondOrderNeuralODE(hidden=(3,), max_iterations=4), n_members=2).fit(record)


def test_members_see_the_fit_with_fresh_noise_where_something_was_measured(ensemble, record):
    gap = record.copy(deep=True)
    gap.x[1, 7] = np.nan
    model = physode.SecondOrderNeuralODE(hidden=(3,), max_iterations=4).fit(gap, seed=0)
    drawn = [_redrawn(model, gap, seed) for seed in range(100)]
    validate(drawn[0])
    assert all(int(np.isnan(made.x).sum()) == 1 and np.isnan(made.x[1, 7]) for made in drawn)
    noise = np.stack([made.x.values for made in drawn]) - model.predict(gap).x.values
    seen = np.isfinite(gap.x.values)
    assert float(noise.std(axis=0)[seen].mean()) == pytest.approx(model.result_.noise_std["x"], rel=0.03)
    np.testing.assert_allclose(noise.mean(axis=0)[seen], 0.0, atol=5 * model.result_.noise_std["x"] / np.sqrt(100))
    assert abs(np.corrcoef(noise[0][seen], noise[1][seen])[0, 1]) < 0.3


def test_members_and_predictions_have_the_noise_that_the_record_states():
    clean = systems.get("damped-oscillator").simulate(np.linspace(0, 4, 21), n_trajectories=3, seed=1)
    sd = np.array([0.01, 0.01, 0.5])
    record = add_noise(clean, 0.01, seed=0).drop_vars(["x_noise_std", "v_noise_std"])
    for name in ("x", "v"):
        record[f"{name}_noise_std"] = ("trajectory", sd, {"role": "noise"})
        record[name][2] += 0.5 * np.random.default_rng(len(name)).standard_normal(21)
    ensemble = physode.Ensemble(physode.NeuralODE(hidden=(2,), max_iterations=2), n_members=2).fit(record)
    drawn = np.stack([_redrawn(ensemble.centre, record, seed).x.values for seed in range(200)])
    np.testing.assert_allclose(drawn.std(axis=0).mean(axis=1), sd, rtol=0.05)
    noisier = np.stack([ensemble._noisier(record, seed).x.values for seed in range(200)])
    np.testing.assert_allclose(noisier.std(axis=0).mean(axis=1), sd, rtol=0.05)
    np.testing.assert_allclose(noisier.mean(axis=0), record.x, atol=0.2)


def test_irregular_records_with_gaps_are_redrawn_where_they_were_measured():
    rng = np.random.default_rng(0)
    time = [np.sort(rng.uniform(0, 6, n)) for n in (25, 32)]
    motion = [np.stack([np.cos(t), -np.sin(t)], axis=1) + 0.05 * rng.standard_normal((len(t), 2)) for t in time]
    record = from_numpy(time, motion, ["x", "v"])
    record.x[0, 0], record.v[1, 31], record.v[0, 10] = np.nan, np.nan, np.nan
    model = physode.NeuralODE(hidden=(3,), max_iterations=4).fit(record, seed=0)
    drawn = _redrawn(model, record, 1)
    for name in ("x", "v"):
        np.testing.assert_array_equal(np.isnan(drawn[name]), np.isnan(record[name]))
        assert 0.01 < float(abs(drawn[name] - record[name]).mean()) < 0.3
    np.testing.assert_array_equal(drawn.time, record.time)


def test_predictions_hold_members_centre_and_noise(ensemble, record):
    found = ensemble.predict(record, warmup=8)
    assert found.x.dims == found.v.dims == ("seed", "trajectory", "time")
    assert found.seed.values.tolist() == [5, 6]
    np.testing.assert_array_equal(found.x_centre, ensemble.centre.predict(record, warmup=8).x)
    assert "role" not in found.x_centre.attrs
    assert float(found.x_noise_std) == ensemble.centre.result_.noise_std["x"]
    assert found.x_noise_std.attrs["units"] == "m"
    assert found.attrs["warmup"] == 8
    again = ensemble.predict(record, warmup=8)
    np.testing.assert_array_equal(again.x, found.x)
    np.testing.assert_allclose(ensemble.predict(record.isel(time=slice(15)), warmup=8).x, found.x[..., :15], atol=1e-8)


def test_a_state_called_as_the_centre_of_another_is_told():
    record = from_numpy(TIME, np.column_stack([np.sin(TIME), np.cos(TIME)]), ["x", "x_centre"])
    ensemble = physode.Ensemble(physode.NeuralODE(hidden=(2,), max_iterations=1), n_members=2).fit(record)
    with pytest.raises(DataError, match="the state 'x_centre' has the name of something else that the result holds; rename it"):
        ensemble.predict(record)


def test_the_noise_of_the_first_observations_counts(ensemble, record):
    member = ensemble.members[5]
    distance = [float(abs(ensemble.predict(record, warmup=k).x[0] - member.predict(record, warmup=k).x).mean()) for k in (3, 20)]
    assert distance[0] > 2 * distance[1] > 0


def test_saved_ensembles_predict_the_same(ensemble, record, tmp_path):
    ensemble.save(tmp_path / "e")
    found = physode.Ensemble.load(tmp_path / "e")
    assert repr(found) == repr(ensemble)
    np.testing.assert_array_equal(found.predict(record, warmup=8).x, ensemble.predict(record, warmup=8).x)
    (tmp_path / "e" / "member-6.safetensors").unlink()
    with pytest.raises(FileFormatError, match="there is no model file"):
        physode.Ensemble.load(tmp_path / "e")
    with pytest.raises(FileFormatError, match="holds no whole ensemble"):
        physode.Ensemble.load(tmp_path)
    (tmp_path / "ensemble.json").write_text(json.dumps({"format": "other", "seeds": [1, 2]}))
    with pytest.raises(FileFormatError, match="not of the format physode-ensemble/1"):
        physode.Ensemble.load(tmp_path)


def test_what_does_not_fit_is_told(record):
    with pytest.raises(PhysodeError, match="n_members is 1; give a whole number, 2 or more; 8 serve well"):
        physode.Ensemble(physode.NeuralODE(), n_members=1)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        physode.Ensemble(physode.NeuralODE()).predict(record)
    with pytest.raises(DataError):
        physode.Ensemble(physode.NeuralODE()).fit(record.drop_vars("x"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "duration", "noise"), [("lotka-volterra", 12.0, 0.03), ("pendulum", 8.0, 0.03), ("damped-oscillator", 10.0, 0.05)]
)
def test_coverage_of_the_90_percent_band_is_between_85_and_95_percent(name: str, duration: float, noise: float) -> None:
    system, time = systems.get(name), np.linspace(0.0, duration, 61)
    records = [system.simulate(time, n_trajectories=n, seed=seed) for n, seed in ((8, 100), (40, 500), (60, 900))]
    levels = {state: noise * float(records[0][state].std()) for state in system.states}
    train, calibration, test = (
        add_noise(ds, levels, seed=seed).drop_vars([f"{state}_noise_std" for state in system.states]) for seed, ds in enumerate(records)
    )
    ensemble = physode.Ensemble(physode.NeuralODE()).fit(train, seed=0)
    for target in ("truth", "observation"):
        band, other = (prediction_band(ensemble, ds, 0.9, target=target, warmup=15) for ds in (test, calibration))
        better = conformal(band, other, calibration)
        raw, corrected = (coverage(found, test) for found in (band, better))
        for found in (raw, corrected):
            assert 0.85 <= float(found.coverage.mean()) <= 0.95
