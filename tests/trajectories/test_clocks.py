"""Inputs on a clock of their own, held or linear between samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physode.errors import DataError, UnknownNameError
from physode.trajectories import (
    check_structure,
    from_dataframe,
    from_numpy,
    input_values,
    on_one_clock,
    read,
    read_csv,
    select_split,
    split,
    times,
    to_dataframe,
    validate,
    write,
)

TIME = np.array([0.0, 1.0, 2.0, 3.0])
CLOCKS = [[-1.0, 0.5, 1.0, 2.5, 9.0], [0.0, 1.7]]
FORCES = [[10.0, 20.0, 30.0, 40.0, 50.0], [1.0, 2.0]]
MIDDLE = [[np.nan, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]


def make(kind: str = "previous", *, irregular: bool = True) -> xr.Dataset:
    """Two trajectories on the times 0, 1, 2, 3; each with its own samples of a force, or both with those of the first."""
    return from_numpy(
        TIME,
        np.array(MIDDLE)[..., None],
        ["x"],
        inputs={"force": FORCES if irregular else FORCES[0]},
        input_time=CLOCKS if irregular else CLOCKS[0],
        interpolation={"force": kind},
        units={"time": "s", "force": "N"},
    )


def held(irregular: bool = True) -> xr.Dataset:
    return make("previous", irregular=irregular)


def test_each_trajectory_or_all_may_have_samples_of_their_own() -> None:
    own, shared = held(), held(irregular=False)
    assert own["force"].dims == ("trajectory", "input_obs") and own["input_time"].dims == ("trajectory", "input_obs")
    assert shared["force"].dims == ("trajectory", "input_time") and shared["input_time"].dims == ("input_time",)
    assert own["force"].attrs["interpolation"] == "previous" and own["input_time"].attrs["units"] == "s"
    assert np.isnan(own["force"].values[1, 2:]).all() and np.isnan(own["input_time"].values[1, 2:]).all()


def test_a_held_input_has_the_value_of_its_last_sample_and_a_linear_one_lies_between_two() -> None:
    np.testing.assert_array_equal(input_values(held(), ["force"])[..., 0], [[10, 30, 30, 40], [1, 1, 2, 2]])
    expected = np.interp(TIME, CLOCKS[0], FORCES[0])
    np.testing.assert_allclose(input_values(make("linear", irregular=False), ["force"])[..., 0], [expected, expected])
    at = np.array([[0.49, 0.5, 2.49, 2.5], [0.0, 1.69, 1.7, np.nan]])
    np.testing.assert_array_equal(input_values(held(), ["force"], at)[..., 0], [[10, 20, 30, 40], [1, 1, 2, np.nan]])


def test_a_sample_at_an_observation_but_for_rounding_is_at_it() -> None:
    time = 0.1 * np.arange(11)
    clock = np.round(time, 10)
    assert (clock != time).any()
    ds = from_numpy(time, np.sin(time), ["x"], inputs={"u": np.arange(11.0)}, input_time=clock, interpolation={"u": "previous"})
    np.testing.assert_array_equal(input_values(ds, ["u"])[0, :, 0], np.arange(11.0))
    assert on_one_clock(ds).record.sizes["time"] == 11


def test_on_one_clock_every_sample_between_observations_has_a_row() -> None:
    whole = on_one_clock(held())
    every = times(whole.record)
    np.testing.assert_array_equal(every, [[0, 0.5, 1, 2, 2.5, 3], [0, 1, 1.7, 2, 3, np.nan]])
    np.testing.assert_array_equal(whole.record["force"].values, [[10, 20, 30, 30, 40, 40], [1, 1, 2, 2, 2, np.nan]])
    np.testing.assert_array_equal(whole.record["x"].values, [[np.nan, np.nan, 2, 3, np.nan, 4], [5, 6, np.nan, 7, 8, np.nan]])
    np.testing.assert_array_equal(np.take_along_axis(every, whole.rows, axis=1), [TIME, TIME])
    validate(whole.record)
    shared = on_one_clock(held(irregular=False)).record
    assert shared["x"].dims == ("trajectory", "time") and shared["time"].values.tolist() == [0, 0.5, 1, 2, 2.5, 3]
    plain = from_numpy(TIME, TIME, ["x"], inputs={"u": TIME})
    xr.testing.assert_identical(on_one_clock(plain).record, plain)


@pytest.mark.parametrize("irregular", [True, False])
def test_to_a_file_and_back(irregular: bool, tmp_path: Path) -> None:
    ds = held(irregular)
    xr.testing.assert_identical(read(write(ds, tmp_path / "a.nc")), ds)


def test_a_table_has_rows_for_the_samples_and_gives_the_same_input_back() -> None:
    table = to_dataframe(held())
    assert list(table.columns) == ["trajectory", "time", "x", "force"]
    first = table[table["trajectory"] == 0]
    assert first["time"].tolist() == [-1, 0, 0.5, 1, 2, 2.5, 3, 9]
    np.testing.assert_array_equal(first["force"], [10, np.nan, 20, 30, np.nan, 40, np.nan, 50])
    np.testing.assert_array_equal(first["x"], [np.nan, np.nan, np.nan, 2, 3, np.nan, 4, np.nan])
    kinds = {"force": "previous"}
    back = from_dataframe(
        table, time="time", states=["x"], trajectory="trajectory", inputs=["force"], interpolation=kinds, units={"time": "s"}
    )
    at = times(back)
    np.testing.assert_array_equal(input_values(back, ["force"])[..., 0], input_values(held(), ["force"], at)[..., 0])


def test_rows_of_a_csv_file_may_lack_an_input_whose_interpolation_is_said(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("t,x,valve,drive\n0,1,0.5,1\n1,2,,\n2,4,0.7,3\n3,,0.9,5\n4,5,,7\n")
    ds = read_csv(path, inputs=["valve", "drive"], interpolation={"valve": "previous", "drive": "linear"})
    np.testing.assert_array_equal(input_values(ds, ["valve", "drive"])[0].T, [[0.5, 0.5, 0.7, 0.9, 0.9], [1, 2, 3, 5, 7]])
    np.testing.assert_array_equal(on_one_clock(ds).record["valve"].values, [[0.5, 0.5, 0.7, 0.9, 0.9]])
    with pytest.raises(
        DataError, match=r"the input 'valve' is missing at trajectory 0, row 2, time 1.0 .*attrs\['interpolation'\] = 'linear'"
    ):
        read_csv(path, inputs=["valve"], states=["x"])


def test_a_split_by_time_keeps_the_samples_that_drive_each_part() -> None:
    marked = split(held(), test=0.5, by="time")
    train, test = (check_structure(select_split(marked, part)) for part in ("train", "test"))
    np.testing.assert_array_equal(train["input_time"].values, [[-1, 0.5, 1], [0, 1.7, np.nan]])
    np.testing.assert_array_equal(test["input_time"].values, [[1, 2.5, 9], [1.7, np.nan, np.nan]])
    for part in (train, test):
        np.testing.assert_array_equal(input_values(part, ["force"]), input_values(marked.sel(time=part["time"]), ["force"]))
    linear = select_split(split(make("linear", irregular=False), test=0.5, by="time"), "test")
    assert linear["input_time"].values.tolist() == [1, 2.5, 9] and linear["time"].values.tolist() == [2, 3]
    alone = select_split(split(held(), by="trajectory"), "test")
    known = alone["input_time"].values[np.isfinite(alone["input_time"].values)]
    assert known.tolist() == [[-1, 0.5, 1, 2.5, 9], [0, 1.7]][alone["trajectory"].item()]


@pytest.mark.parametrize("kind", ["previous", "linear"])
@pytest.mark.parametrize("irregular", [True, False])
def test_a_split_keeps_the_samples_of_each_of_several_inputs_on_one_clock(kind: str, irregular: bool) -> None:
    time, clock = np.arange(40) * 0.25, np.arange(-4, 205) * 0.05
    rare = np.where(np.arange(len(clock)) % 52 == 0, np.sin(clock), np.nan)
    rows = [2, 1] if irregular else [1, 1]
    ds = from_numpy(
        np.stack([time, time * rows[0]]),
        np.stack([np.sin(time)] * 2)[..., None],
        ["x"],
        inputs={"often": np.stack([np.cos(clock)] * 2), "rare": np.stack([rare] * 2)},
        input_time=np.stack([clock, clock * rows[0]]),
        interpolation={"often": "linear", "rare": kind},
    )
    marked, names = split(ds, test=0.3, by="time"), ["often", "rare"]
    whole, n = input_values(marked, names), 28
    for part, wanted in (("train", whole[:, :n]), ("test", whole[:, n:])):
        np.testing.assert_array_equal(input_values(validate(select_split(marked, part)), names), wanted)


@pytest.mark.parametrize("kind", ["previous", "linear"])
@pytest.mark.parametrize("times_of_second", [[0, 1, 2, 3, 4, 5, 6, 7], [0, 2, 3, 4, 5, 6]])
def test_a_part_that_begins_or_ends_in_a_gap_of_an_input_knows_it_there(kind: str, times_of_second: list[float]) -> None:
    rows = [np.arange(8.0), np.array(times_of_second, dtype=np.float64)]
    inputs = [np.where(np.isin(row, [0, 2, row[-1]]), row**2, np.nan) for row in rows]
    ds = from_numpy(rows, [np.sin(row)[:, None] for row in rows], ["x"], inputs={"u": inputs}, interpolation={"u": kind})
    marked = split(ds, test=0.4, by="time")
    for part in ("train", "test"):
        chosen = validate(select_split(marked, part))
        for k in range(2):
            wanted = input_values(marked, ["u"])[k, np.broadcast_to(marked["split"].values == part, marked["u"].shape)[k], 0]
            np.testing.assert_array_equal(input_values(chosen, ["u"])[k, : len(wanted), 0], wanted)
        assert chosen["u"].attrs == ds["u"].attrs
    alone = split(ds, by="trajectory")
    assert np.isnan(select_split(alone, "test")["u"]).any()  # whole trajectories stay as they are


def moved(ds: xr.Dataset, values: object) -> xr.Dataset:
    return ds.assign_coords(input_time=ds["input_time"].copy(data=values))


def replaced(ds: xr.Dataset, index: tuple[int, int], value: float) -> xr.Dataset:
    force = ds["force"].copy(deep=True)
    force.values[index] = value
    return ds.assign(force=force)


SHARED = held(irregular=False)
FORM = {
    r"variable 'force': unknown interpolation 'previuos'; did you mean 'previous'\? Choose from: linear, previous": SHARED.assign(
        force=SHARED["force"].assign_attrs(interpolation="previuos")
    ),
    r"variable 'x' has the attribute 'interpolation' and the role 'state'; only inputs are interpolated": SHARED.assign(
        x=SHARED["x"].assign_attrs(interpolation="linear")
    ),
    r"dimension 'input_time', and the record has no coordinate 'input_time' .*assign_coords\(input_time=": SHARED.drop_vars("input_time"),
    r"trajectory 0: time goes backwards in sample 2 of the inputs, from 2.0 to 1.0": moved(SHARED, [2.0, 1.0, 3.0, 4.0, 5.0]),
    r"trajectory 1: the time 3.0 is repeated in input sample 2": moved(held(), [[-1, 0.5, 1, 2, 9], [3.0, 3.0, np.nan, np.nan, np.nan]]),
    r"trajectory 1: a missing time lies before a valid one \(input sample 1\)": moved(
        held(), [[-1, 0.5, 1, 2, 9], [np.nan, 3.0, np.nan, np.nan, np.nan]]
    ),
    r"'input_time' has the units 'ms' and 'time' 's'; give both in the same units": SHARED.assign_coords(
        input_time=SHARED["input_time"].assign_attrs(units="ms")
    ),
    r"variable 'x' has the dimensions \('trajectory', 'input_time'\)": SHARED.assign(
        x=SHARED["force"].assign_attrs(role="state", interpolation="linear")
    ).assign(x=lambda ds: xr.Variable(ds["x"].dims, ds["x"].values, {"role": "state"})),
}


@pytest.mark.parametrize("message", FORM)
def test_a_clock_of_the_wrong_form_is_told(message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_structure(FORM[message])


VALUES = {
    r"'force' does not cover the observations of trajectory 0, which go from 0.0 to 3.0: its samples cover 0.25 to 9.0; a held input "
    r"needs a sample at the first observation or before it": moved(SHARED, [0.25, 0.5, 1.0, 2.5, 9.0]),
    r"'force' does not cover .*its samples cover -1.0 to 2.9; an input that is linear .* cut the observations after 2.9": moved(
        make("linear", irregular=False), [-1.0, 0.5, 1.0, 2.5, 2.9]
    ),
    r"'force' has an infinite value at trajectory 1, input sample 2, time 0.5": replaced(SHARED, (1, 1), np.inf),
    r"the input 'force' is missing at trajectory 1, input sample 4, time 2.5 \(1 in all\)": replaced(SHARED, (1, 3), np.nan).assign(
        force=lambda ds: xr.Variable(ds["force"].dims, ds["force"].values, {"role": "input"})
    ),
    r"'force' has a value without a time at trajectory 1, row 3; padding is NaN in the data and in 'input_time'": replaced(
        held(), (1, 2), 1.0
    ),
}


@pytest.mark.parametrize("message", VALUES)
def test_samples_that_do_not_serve_are_told_by_validate(message: str) -> None:
    with pytest.raises(DataError, match=message):
        validate(VALUES[message])
    assert check_structure(VALUES[message]) is VALUES[message]


def test_what_is_asked_for_must_be_there() -> None:
    with pytest.raises(UnknownNameError, match="unknown input in interpolation 'forze'; did you mean 'force'"):
        from_numpy(TIME, TIME, ["x"], inputs={"force": TIME}, interpolation={"forze": "linear"})
    with pytest.raises(UnknownNameError, match="unknown interpolation of the input 'force': 'cubic'"):
        from_numpy(TIME, TIME, ["x"], inputs={"force": TIME}, interpolation={"force": "cubic"})
    with pytest.raises(DataError, match="trajectory 0 has 3 times in input_time but 4 of 'force'"):
        from_numpy(TIME, TIME, ["x"], inputs={"force": TIME}, input_time=[0.0, 1.0, 3.0])
    with pytest.raises(DataError, match=r"the time in input sample 2 is missing"):
        from_numpy(TIME, TIME, ["x"], inputs={"force": TIME[:3]}, input_time=[0.0, np.nan, 3.0])


def test_noise_may_be_given_for_each_measurement() -> None:
    ds = held()
    sigma = np.full((2, 4), 0.1)
    noisy = ds.assign(x_noise_std=(("trajectory", "time"), sigma, {"role": "noise"}))
    assert validate(noisy) is noisy
    assert "x_noise_std" in to_dataframe(noisy)
    np.testing.assert_array_equal(
        np.isnan(on_one_clock(noisy).record["x_noise_std"].values),
        np.isnan(times(on_one_clock(ds).record)) | [[False, True, False, False, True, False], [False, False, True, False, False, True]],
    )
    sigma[1, 2] = 0.0
    with pytest.raises(DataError, match="variable 'x_noise_std' is zero at trajectory 1, row 3, time 2.0 and not everywhere"):
        validate(ds.assign(x_noise_std=(("trajectory", "time"), sigma, {"role": "noise"})))
    sigma[1, 2] = np.nan
    with pytest.raises(DataError, match="'x_noise_std' with the role 'noise' is NaN at trajectory 1, row 3"):
        validate(ds.assign(x_noise_std=(("trajectory", "time"), sigma, {"role": "noise"})))


def test_tables_without_inputs_are_as_before() -> None:
    table = to_dataframe(from_numpy(TIME, TIME, ["x"]))
    pd.testing.assert_frame_equal(table, pd.DataFrame({"trajectory": [0] * 4, "time": TIME, "x": TIME}))
