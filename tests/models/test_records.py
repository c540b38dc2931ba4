"""What `predict`, `score`, `seen` and `simulate` take, and what they refuse, by its own error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

import physode
from physode import systems
from physode.comparison.forecast import predict_all
from physode.errors import DataError, PhysodeError
from physode.trajectories import times

TIME = np.linspace(0.0, 3.0, 21)
UNITS = {"x": "m", "v": "m s-1", "force": "N", "time": "s"}


def make(n: int = 2) -> xr.Dataset:
    """Driven motion, x" = -x + force, nearly."""
    phase = np.arange(n)[:, None]
    states = np.stack([np.cos(TIME + phase), -np.sin(TIME + phase)], axis=-1)
    ds = physode.from_numpy(TIME, states, ["x", "v"], inputs={"force": 0.1 * np.sin(2 * TIME + phase)}, roles={"x": "position"})
    for name, units in UNITS.items():
        ds[name].attrs["units"] = units
    return ds


@pytest.fixture
def record() -> xr.Dataset:
    return make()


@pytest.fixture(scope="module")
def model() -> physode.NeuralODE:
    return physode.NeuralODE(hidden=(2,), max_iterations=2).fit(make())


def blank(ds: xr.Dataset, names: list[str], trajectory: int, samples: slice) -> xr.Dataset:
    ds = ds.copy(deep=True)
    for name in names:
        ds[name][trajectory, samples] = np.nan
    return ds


def named(ds: xr.Dataset, name: str, units: str | None) -> xr.Dataset:
    ds = ds.copy(deep=True)
    ds[name].attrs = {key: value for key, value in ds[name].attrs.items() if key != "units"} | ({} if units is None else {"units": units})
    return ds


def uneven(ds: xr.Dataset, *lengths: int) -> xr.Dataset:
    """An irregular record of which trajectory k has the first lengths[k] samples."""
    parts = [ds.isel(trajectory=k, time=slice(n)) for k, n in enumerate(lengths)]
    made = physode.from_numpy(
        [part["time"].values for part in parts],
        [np.stack([part["x"], part["v"]], axis=-1) for part in parts],
        ["x", "v"],
        inputs={"force": [part["force"].values for part in parts]},
    )
    padding = max(map(len, (ds["time"], *parts))) - made.sizes["obs"]
    return made.pad(obs=(0, padding)) if padding else made


REFUSED: dict[str, tuple[Callable[[xr.Dataset], Any], str]] = {
    "a table": (lambda ds: ds.to_dataframe(), "a record is an xarray.Dataset, but this is a DataFrame"),
    "no trajectory": (lambda ds: ds.isel(trajectory=[]), "the record has no trajectory; it is empty"),
    "time goes back": (lambda ds: ds.isel(time=[0, 2, 1, *range(3, 21)]), "time goes backwards in row 3"),
    "repeated time": (lambda ds: ds.isel(time=[0, 1, 1, *range(2, 20)]), "the time 0.15 is repeated in row 3"),
    "infinite": (lambda ds: ds.assign(x=ds["x"].where(TIME < 2, np.inf).assign_attrs(ds["x"].attrs)), "'x' has an infinite value"),
    "millimetres": (lambda ds: named(ds, "x", "mm"), "'x' is in 'mm' in this record, and in 'm' in the one .* Convert its values"),
    "milliseconds": (lambda ds: named(ds, "time", "ms"), "'time' is in 'ms' in this record, and in 's' in the one"),
    "other force": (lambda ds: named(ds, "force", "kN"), "'force' is in 'kN' in this record, and in 'N'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_record_that_cannot_be_predicted_is_refused(case: str, model: physode.NeuralODE, record: xr.Dataset) -> None:
    change, message = REFUSED[case]
    bad = change(record)
    for ask in (model.predict, model.score, model.seen, lambda ds: model.predict(ds, warmup=4), lambda ds: model.score(ds, warmup=4)):
        with pytest.raises(DataError, match=message):
            ask(bad)
    with pytest.raises(DataError, match=message):
        physode.NeuralODE(hidden=(2,), max_iterations=1).fit(record, validation=bad)


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("units", [None, "1"])
def test_units_that_are_not_said_are_taken_for_those_of_the_model(
    name: str, units: str | None, model: physode.NeuralODE, record: xr.Dataset
) -> None:
    other = named(record, name, units)
    np.testing.assert_array_equal(model.predict(other)["x"], model.predict(record)["x"])
    unsaid = physode.NeuralODE(hidden=(2,), max_iterations=1).fit(other)
    np.testing.assert_array_equal(unsaid.predict(record)["x"], unsaid.predict(other)["x"])


@pytest.mark.parametrize("warmup", [-1, 2.5, "all"])
def test_a_warmup_is_a_positive_whole_number(warmup: Any, model: physode.NeuralODE, record: xr.Dataset) -> None:
    with pytest.raises(PhysodeError, match=f"warmup is {warmup!r}; give a whole number, 1 or more, or None for all samples"):
        model.predict(record, warmup=warmup)
    with pytest.raises(PhysodeError, match=f"warmup is {warmup!r}; give a whole number"):
        model.score(record, warmup=warmup)
    with pytest.raises(PhysodeError, match="warmup is 0; give a whole number, 1 or more"):
        model.predict(record, warmup=0)


@pytest.mark.parametrize("warmup", [21, 50])
def test_a_forecast_of_nothing_is_refused(warmup: int, model: physode.NeuralODE, record: xr.Dataset) -> None:
    message = f"warmup is {warmup}, and the longest trajectory of the record has a length of 21: nothing is left to forecast"
    for ask in (model.predict, model.score):
        with pytest.raises(DataError, match=message):
            ask(record, warmup=warmup)
    assert np.isfinite(model.predict(record, warmup=20)["x"]).all()


def test_of_trajectories_of_unequal_length_the_longest_one_counts(model: physode.NeuralODE, record: xr.Dataset) -> None:
    both = uneven(record, 6, 15)
    whole, some = model.predict(both), model.predict(both, warmup=10)
    np.testing.assert_allclose(some["x"][0], whole["x"][0], atol=1e-8)
    assert float(np.abs(some["x"][1] - whole["x"][1]).max()) > 1e-6
    with pytest.raises(DataError, match="warmup is 15, and the longest trajectory of the record has a length of 15"):
        model.predict(both, warmup=15)


def test_where_nothing_is_measured_nothing_can_start(model: physode.NeuralODE, record: xr.Dataset) -> None:
    empty = blank(record, ["x", "v"], 1, slice(None))
    for ask in (model.predict, model.score):
        with pytest.raises(DataError, match=r"trajectory 1 has no measurement of x or v, so that .* Leave the trajectory out; .* simulate"):
            ask(empty)


def test_a_measurement_after_the_warmup_is_no_measurement_in_it(model: physode.NeuralODE, record: xr.Dataset) -> None:
    late = blank(record, ["x", "v"], 1, slice(5))
    with pytest.raises(DataError, match=r"trajectory 1 has no measurement of x or v in its first 5 samples.* Give a longer warmup"):
        model.predict(late, warmup=5)
    assert np.isfinite(model.predict(late, warmup=6)["x"]).all()


def test_little_is_needed_for_a_prediction(model: physode.NeuralODE, record: xr.Dataset) -> None:
    """One state of two, a single sample, an unknown future, and a state at rest: more is asked of a record that is fitted."""
    for ds in (
        blank(record, ["v"], 1, slice(None)),
        blank(blank(record, ["v"], 0, slice(None)), ["v"], 1, slice(None)),
        blank(record, ["x", "v"], 0, slice(1, None)),
        record.isel(time=[0, 1]),
        record.assign(v=xr.zeros_like(record["v"])),
    ):
        assert np.isfinite(model.predict(ds, warmup=1)["x"]).all()
    assert model.predict(record.isel(time=[0])).sizes["time"] == 1


@pytest.mark.parametrize("lengths", [(21, 3), (3, 6), (2, 21)])
def test_a_comparison_forecasts_held_out_trajectories_that_are_short(lengths: tuple[int, int], model: physode.NeuralODE) -> None:
    ds = uneven(make(), *lengths).assign_coords(split=("trajectory", ["train", "test"]))
    found = predict_all(model, ds)["x"].values
    warmup = {3: 2, 6: 3, 21: 6}[lengths[1]]
    np.testing.assert_allclose(found[1, : lengths[1]], model.predict(ds.isel(trajectory=[1]), warmup=warmup)["x"][0, : lengths[1]])
    assert (np.isfinite(found) == np.isfinite(times(ds))).all()


FORCE = {"force": np.zeros(3)}


class TestSimulate:
    @pytest.mark.parametrize(
        ("start", "message"),
        [
            ({"x": [1, 2], "v": [1, 2, 3]}, r"initial state: 'x' has the shape \(2,\); give one number, or one for each of the 3"),
            ({"x": [[1, 2]], "v": 0}, r"initial state: 'x' has the shape \(1, 2\)"),
            ({"x": [], "v": []}, r"initial state: 'x' has the shape \(0,\)"),
            ({"x": "a", "v": 0}, "initial state: 'x' is 'a'; give a finite number"),
            ({"x": np.nan, "v": 0}, "initial state: 'x' is nan; give a finite number"),
            ({"x": 0, "v": [1, np.inf]}, "initial state: 'v' is inf; give a finite number"),
        ],
    )
    def test_starts_that_do_not_fit(self, start: dict[str, Any], message: str, model: physode.NeuralODE) -> None:
        with pytest.raises(PhysodeError, match=message):
            model.simulate(start, [0, 1, 2], inputs=FORCE)

    def test_one_number_stands_for_all_trajectories(self, model: physode.NeuralODE) -> None:
        run = model.simulate({"x": 0.5, "v": [0.0, 1.0]}, [0, 1, 2], inputs=FORCE)
        np.testing.assert_allclose(run["x"][:, 0], 0.5)

    @pytest.mark.parametrize("time", [[0, 1, np.inf], [0, np.nan, 1], [0, 1, 1]])
    def test_times_increase_and_are_finite(self, time: list[float], model: physode.NeuralODE) -> None:
        with pytest.raises(PhysodeError, match="time must be a sequence of at least two finite increasing numbers"):
            model.simulate({"x": 0.5, "v": 0.0}, time, inputs=FORCE)


@pytest.mark.parametrize(
    ("family", "name", "message"),
    [
        (
            physode.SecondOrderNeuralODE,
            "x_velocity",
            "what the velocity of 'x' would be called. If it is that, give it the role 'velocity of x'",
        ),
        (physode.HamiltonianNeuralODE, "x_momentum", "what the momentum of 'x' would be called"),
        (physode.AugmentedNeuralODE, "augmented_1", "what an augmented component would be called; rename the variable"),
    ],
)
def test_a_name_that_a_model_would_give_is_taken(family, name: str, message: str) -> None:
    time = np.linspace(0, 6, 40)
    values = np.stack([np.cos(time), np.cos(0.7 * time)], axis=1)
    with pytest.raises(DataError, match=f"'{name}' is a variable of the record, and {message}"):
        family(hidden=(2,), max_iterations=1).fit(physode.from_numpy(time, values, ["x", name]))
    with pytest.raises(DataError, match=f"'{name}' is a variable of the record"):
        family(hidden=(2,), max_iterations=1).fit(physode.from_numpy(time, values[:, 0], ["x"], inputs={name: values[:, 1]}))


@pytest.mark.parametrize(
    ("large", "unit", "message"),
    [
        (1.7e308, 1.0, r"'x' has the value 1.7e\+308, in trajectory 0, row 21: too large to compute with"),
        (1e155, 1.0, r"'x' has the value 1e\+155"),
        (1.0, 1e-300, "the times of this record reach 8e-300 and are 1.36e-301 apart; give them in a unit"),
        (1.0, 1e200, r"the times of this record reach 8e\+200"),
    ],
)
def test_numbers_without_a_square_are_refused(large: float, unit: float, message: str) -> None:
    time = np.linspace(0, 8, 60)
    x = np.cos(time)
    x[20] = large
    with pytest.raises(DataError, match=message):
        physode.NeuralODE().fit(physode.from_numpy(unit * time, x[:, None], ["x"]))


@pytest.mark.parametrize("model", [physode.SecondOrderNeuralODE, physode.HamiltonianNeuralODE])
@pytest.mark.parametrize(
    ("roles", "alone"),
    [
        ({"x": "position", "v": "velocity of x", "a": "velocity of v"}, "a"),
        ({"x": "velocity of x"}, "x"),
        ({"x": "velocity of y", "y": "velocity of x"}, "x, y"),
    ],
)
def test_the_velocity_of_what_is_no_position_is_refused(model: type[physode.NeuralODE], roles: dict[str, str], alone: str) -> None:
    columns = np.column_stack([np.sin(TIME + k) for k in range(len(roles))])
    record = physode.from_numpy(TIME, columns, list(roles), roles=roles)
    with pytest.raises(DataError, match=f"^{alone}: a velocity or momentum without the position that it belongs to"):
        model().fit(record)


def test_a_run_without_end_is_refused(model: physode.NeuralODE) -> None:
    drive = {"force": (np.array([0.0, 1e12]), np.zeros(2))}
    with pytest.raises(DataError, match=r"two times of the record are 1e\+12 apart, which is .* time constants of the motion"):
        model.simulate({"x": 1.0, "v": 0.0}, [0.0, 1e12], inputs=drive)
    with pytest.raises(PhysodeError, match="time holds dates or time spans; give numbers"):
        model.simulate({"x": 1.0, "v": 0.0}, np.arange(3).astype("m8[s]"), inputs=drive)


def test_a_state_that_a_record_does_not_measure_is_not_scored() -> None:
    both = make()
    model = physode.NeuralODE(hidden=(2,), max_iterations=2).fit(both)
    new = blank(make(3).isel(trajectory=[2]), ["v"], 0, slice(None))
    alone = physode.analysis.simulation_error(model, new, 5)
    assert alone["state"].values.tolist() == ["x"]
    assert model.score(new, 5) == pytest.approx(float(alone["r2"][0]))


@pytest.mark.parametrize(
    ("name", "attrs", "message"),
    [
        ("x_std", {}, r"'x_std' has the role 'noise' and does not say of which state; call it '<state>_noise_std'"),
        ("_noise_std", {}, "does not say of which state"),
        ("x_noise_std", {"units": "mm"}, "'x_noise_std' is in 'mm', and 'x' in 'm'; give the noise in the unit"),
    ],
)
def test_noise_that_nobody_would_find_is_refused(name: str, attrs: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        physode.NeuralODE().fit(make().assign({name: ((), 0.1, {"role": "noise", **attrs})}))


def test_a_trajectory_is_predicted_as_by_itself() -> None:
    pendulum = systems.get("pendulum")
    record = pendulum.simulate(np.linspace(0, 8, 60), n_trajectories=6, noise=0.03, seed=2, observe=["theta"])
    poor = physode.NeuralODE(hidden=(4,), max_iterations=3).fit(record)  # of which some trajectories take far more tries than others
    together = poor.predict(record, 10)
    for k in range(6):
        alone = poor.predict(record.isel(trajectory=[k]), 10)
        np.testing.assert_allclose(alone["theta"], together["theta"][[k]], rtol=0, atol=1e-9)
