"""Every family on a driven record whose force is held, or linear, between samples on a clock of its own."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import physode
from physode.errors import DataError, PhysodeError
from physode.fields import FirstOrderField
from physode.models import MODELS, AbstractModel, get
from physode.models.encoding import encode
from physode.solvers import get_solver
from physode.training.batch import Batch, SampledInputs
from physode.training.fitted import FitSettings, Guess
from physode.training.journal import Journal
from physode.training.stages import Stages
from physode.training.windows import cut_windows
from physode.trajectories import input_values, on_one_clock, select_split, split

sys.path.append(str(Path(__file__).parents[1]))
from driven_records import driven, motion

WARMUP = 20


def record(kind: str, name: str, n: int, seed: int) -> xr.Dataset:
    """What a family is given: an augmented model finds the velocity by itself."""
    ds = driven(kind, n, seed=seed)
    return ds.drop_vars("v") if name == "anode" else ds


@cache
def fitted(name: str, kind: str, taken_as: str) -> AbstractModel:
    settings = {"n_augmented": 1} if name == "anode" else {}
    ds = record(kind, name, 6, 0)
    return get(name, hidden=(8,), **settings).fit(ds.assign(force=ds["force"].assign_attrs(interpolation=taken_as)), seed=0)


def error(name: str, kind: str, taken_as: str) -> float:
    """Of a forecast of other trajectories, over the standard deviation of x."""
    test = record(kind, name, 2, 1)
    given = test.assign(force=test["force"].assign_attrs(interpolation=taken_as))
    found = (fitted(name, kind, taken_as).predict(given, warmup=WARMUP)["x"] - test["x"]).values[:, WARMUP:]
    return float(np.sqrt((found**2).mean()) / test["x"].std())


@pytest.mark.parametrize("kind", [pytest.param("previous", marks=pytest.mark.slow), "linear"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_family_follows_an_input_on_its_own_clock(name: str, kind: str) -> None:
    assert error(name, kind, kind) < 0.05
    assert fitted(name, kind, kind).result_.loss < 5e-3


@pytest.mark.parametrize(("kind", "wrong"), [pytest.param("previous", "linear", marks=pytest.mark.slow), ("linear", "previous")])
def test_what_an_input_is_between_samples_matters(kind: str, wrong: str) -> None:
    assert error("sonode", kind, wrong) > 10 * error("sonode", kind, kind)


def test_slopes_and_velocities_of_a_driven_model_know_its_inputs() -> None:
    said, model = record("previous", "node", 2, 1), physode.NeuralODE(hidden=(2,), max_iterations=3)
    model.fit(said)
    unsaid = said.assign(force=said["force"].drop_attrs().assign_attrs(role="input"))
    slopes = model.vector_field(said)
    xr.testing.assert_equal(slopes, model.vector_field(unsaid))
    assert not slopes["dv_dt"].equals(model.vector_field(said.assign(force=-said["force"])))
    alone = physode.NeuralODE(hidden=(2,), max_iterations=3).fit(said.drop_vars("v"))
    found = physode.recovered_velocity(alone, said, truth=said)
    np.testing.assert_array_equal(found["v_recovered"], alone.vector_field(said.drop_vars("v"))["dx_dt"])


def test_a_simulation_takes_samples_at_times_of_their_own() -> None:
    model, clock, force = fitted("sonode", "linear", "linear"), np.array([-1.0, 0.4, 1.33, 2.6]), np.array([1.0, -1.0, 0.5, 0.0])
    time = np.linspace(0, 2.5, 26)
    free = model.simulate({"x": 0.3, "v": 0.0}, time, inputs={"force": (clock, force)})
    truth = motion(time, clock, force, (0.3, 0.0), "linear")
    assert float(np.abs(free["x"].values[0] - truth[:, 0]).max()) < 0.02
    assert dict(free.sizes) == {"trajectory": 1, "time": 26}
    on_grid = model.simulate({"x": 0.3, "v": 0.0}, time, inputs={"force": np.where(time < 1.33, -1.0, 0.5)})
    assert float(np.abs(on_grid["x"] - free["x"]).max()) > 0.05
    with pytest.raises(PhysodeError, match=r"input 'force' has \(4,\) values for \(3,\) times"):
        model.simulate({"x": 0.3, "v": 0.0}, time, inputs={"force": (clock[:3], force)})
    with pytest.raises(DataError, match="'force' does not cover the observations of trajectory 0, which go from 0.0 to 2.5"):
        model.simulate({"x": 0.3, "v": 0.0}, time, inputs={"force": (clock[1:], force[1:])})
    with pytest.raises(PhysodeError, match="this model is driven by force"):
        model.simulate({"x": 0.3, "v": 0.0}, time)


def test_the_vector_field_is_asked_with_the_input_at_each_observation() -> None:
    model, ds = fitted("sonode", "previous", "previous"), record("previous", "sonode", 2, 1)
    slopes, states = model.vector_field(ds), model.predict(ds)
    truth = -2 * states["x"] - 0.5 * states["x"] ** 3 + input_values(ds, ["force"])[..., 0]
    assert float(np.abs(slopes["dv_dt"] - truth).max()) < 0.3
    assert float(np.sqrt(((slopes["dv_dt"] - truth) ** 2).mean())) < 0.05 * float(truth.std())
    assert set(slopes.dims) == {"trajectory", "time"}


def test_a_window_of_warmup_is_counted_in_observations_and_a_forecast_does_not_look_further() -> None:
    model, ds = fitted("sonode", "previous", "previous"), record("previous", "sonode", 2, 1)
    changed = ds.copy(deep=True)
    changed["x"][:, WARMUP:] += 3.0
    np.testing.assert_array_equal(model.predict(ds, warmup=WARMUP)["x"], model.predict(changed, warmup=WARMUP)["x"])
    changed["x"][:, WARMUP - 1] += 3.0
    assert float(np.abs(model.predict(ds, warmup=WARMUP)["x"] - model.predict(changed, warmup=WARMUP)["x"]).max()) > 1e-3


def test_a_model_knows_a_record_again_and_scores_another() -> None:
    model = fitted("sonode", "previous", "previous")
    assert model.seen(record("previous", "sonode", 6, 0)).all()
    other = record("previous", "sonode", 2, 1)
    assert not model.seen(other).any()
    assert model.score(other, warmup=WARMUP) > 0.99
    assert model.seen(select_split(split(record("previous", "sonode", 6, 0), by="time", test=0.5), "test")).all()
    silent = record("previous", "sonode", 6, 0).copy()
    silent["force"] = silent["force"].copy()
    del silent["force"].attrs["interpolation"]  # taken for what it was in the fit, as by predict
    assert model.seen(silent).all()


def test_a_saved_model_keeps_what_its_input_is(tmp_path: Path) -> None:
    model, time = fitted("sonode", "previous", "previous"), np.linspace(0, 2, 21)
    model.save(tmp_path / "m.safetensors")
    drive = {"force": (np.array([0.0, 0.77]), np.array([1.0, -1.0]))}
    pair = [m.simulate({"x": 0.0, "v": 0.0}, time, inputs=drive)["x"].values for m in (model, physode.load(tmp_path / "m.safetensors"))]
    np.testing.assert_array_equal(*pair)


def test_an_ensemble_of_a_driven_model_is_made() -> None:
    ds = driven("previous", 2, seed=0).isel(time=slice(0, 30))
    ensemble = physode.Ensemble(physode.NeuralODE(hidden=(2,), max_iterations=2), n_members=2).fit(ds)
    assert dict(ensemble.predict(ds, warmup=10).sizes) == {"seed": 2, "trajectory": 2, "time": 30}


def test_inputs_a_moment_after_the_states_leave_the_windows_as_they_are() -> None:
    """Every second row is then next to the one before, and says nothing of how many make a time constant."""
    at_once = driven("linear", 2, seed=0, shared=True, step=0.15)
    clock = np.concatenate([[-0.15], at_once["time"].values, [9.15]])
    force = at_once["force"].interp(input_time=clock, kwargs={"fill_value": "extrapolate"}).values
    lengths = []
    for late in (0.0, 1e-6):
        ds = physode.from_numpy(
            at_once["time"].values,
            np.stack([at_once[name] for name in "xv"], axis=-1),
            ["x", "v"],
            inputs={"force": force},
            input_time=clock + late,
        )
        stages = physode.NeuralODE(hidden=(2,), max_iterations=1).fit(ds).result_.history["stage"]
        lengths.append([int(stage.split()[-1]) for stage in dict.fromkeys(stages) if stage.startswith("windows")])
    assert len(lengths[0]) == len(lengths[1]) > 2
    np.testing.assert_allclose(lengths[1], 2 * np.array(lengths[0]), rtol=0.2)


def test_windows_of_a_long_record_hold_the_samples_that_they_need_and_no_more() -> None:
    n, every = 100_000, 4
    time = 0.1 * np.arange(n)
    clock = np.concatenate([[-1.0], time[::every] + 0.033, [time[-1] + 1]])
    force = np.random.default_rng(0).standard_normal(len(clock))
    kinds = {"force": "previous"}
    ds = physode.from_numpy(time, np.sin(time), ["x"], inputs={"force": force}, input_time=clock, interpolation=kinds)
    model = fitted("anode", "previous", "previous")
    assert model.dynamics_ is not None
    batch = encode(on_one_clock(ds).record, model.dynamics_.layout, model.dynamics_.scaling)
    assert batch.time.shape[1] == n + n // every
    windows = cut_windows(batch, 50).batch
    assert windows.inputs.time.shape == windows.time.shape  # not the whole record's samples in each
    assert windows.inputs.values.numel() < 1.05 * batch.inputs.values.numel()
    at = windows.time[:, :3] + 1e-3
    row = (at[:, :1] * model.dynamics_.scaling.time_scale).numpy().ravel()
    expected = force[np.searchsorted(clock, row, side="right") - 1]
    scaled = (expected - model.dynamics_.scaling.input_mean) / model.dynamics_.scaling.input_scale
    np.testing.assert_allclose(windows.inputs(at)[:, 0, 0].numpy(), scaled)


def test_windows_hold_enough_measurements_where_inputs_are_sampled_much_more_often() -> None:
    every, n = 400, 50
    measured = torch.zeros(1, every * n + 1, 1, dtype=torch.float64)
    measured[0, torch.arange(every * n + 1) % every != 0] = torch.nan
    time = torch.arange(every * n + 1, dtype=torch.float64)[None] / every
    inputs = SampledInputs(time, torch.zeros(1, every * n + 1, 1, dtype=torch.float64))
    with torch.random.fork_rng():
        field = FirstOrderField(1, 1, (2,), "tanh")
    nothing = torch.zeros(1, 1, every * n + 1, 1, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    guess = Guess(nothing, nothing, one[None], torch.tensor([False]), one, one)
    settings = FitSettings("levenberg-marquardt", get_solver("rk4", "backprop"), 0.1, 1, 0.01)
    batch, random = Batch(time, measured, inputs), [torch.Generator()]
    stage = Stages([field], batch, (0,), guess, settings, random, lambda *_: None, Journal(None, {}, {}))
    assert max(stage.lengths()) == pytest.approx(20 * every, rel=0.02)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"force": [0.0, np.nan, 1.0]}, "input 'force' is not finite at 1 of its samples; give a number at each"),
        ({"force": [0.0, 1.0, 1.0], "froce": [0.0, 1.0, 1.0]}, "this model has no input 'froce'; it is driven by force"),
    ],
)
def test_inputs_of_a_simulation_that_make_no_sense_are_refused(inputs: dict[str, list[float]], message: str) -> None:
    with pytest.raises(PhysodeError, match=message):
        fitted("node", "linear", "linear").simulate({"x": 0.0, "v": 0.0}, [0.0, 0.1, 0.2], inputs=inputs)


def first_order(held: str | None, start: float, seed: int) -> xr.Dataset:
    """dx/dt = u - x with a force that is held."""
    time, force = np.linspace(0, 10, 41), np.random.default_rng(seed).standard_normal(41)
    x = [start]
    for k in range(40):
        x.append(force[k] + (x[-1] - force[k]) * np.exp(-0.25))
    interpolation = {"u": held} if held else None
    return physode.from_numpy(time, np.array(x)[:, None], ["x"], inputs={"u": force}, interpolation=interpolation)


def test_an_input_is_between_samples_what_it_was_in_the_fit() -> None:
    model = physode.NeuralODE(hidden=()).fit(first_order("previous", 1.0, 0))
    silent, said = first_order(None, 0.5, 1), first_order("previous", 0.5, 1)
    assert model.score(said, warmup=5) > 0.999999
    np.testing.assert_array_equal(model.predict(silent, warmup=5)["x"], model.predict(said, warmup=5)["x"])
    assert "interpolation" not in silent["u"].attrs
    with pytest.raises(DataError, match="'u' is 'linear' between its samples in this record, and 'previous' in the one"):
        model.predict(first_order("linear", 0.5, 1))
    with pytest.raises(DataError, match="'u' is 'previous' between its samples in this record, and 'linear' in the one"):
        physode.NeuralODE(hidden=(), max_iterations=2).fit(silent).predict(said)


def test_a_state_is_no_input_and_an_input_no_state() -> None:
    ds = first_order("previous", 1.0, 0)
    model = physode.NeuralODE(hidden=(), max_iterations=2).fit(ds)
    for name, is_a, role in (("u", "an input", "state"), ("x", "a state", "input")):
        other = ds.assign({name: ds[name].copy()})
        other[name].attrs = {"role": role}
        with pytest.raises(DataError, match=f"'{name}' is {is_a} of the model, and has the role '{role}' in this record"):
            model.predict(other)
