import numpy as np
import pytest
import xarray as xr

from physode.errors import DataError, UnknownNameError
from physode.trajectories import from_numpy, select_split, split, times, validate


@pytest.fixture
def ten() -> xr.Dataset:
    """Ten trajectories of ten times; trajectory k is k + t."""
    time = np.arange(10.0)
    return from_numpy(time, (np.arange(10.0)[:, None] + time)[:, :, None], ["x"])


@pytest.mark.parametrize(("test", "n_test"), [(0.2, 2), (0.5, 5), (0.01, 1), (0.99, 9)])
def test_by_trajectory_marks_whole_trajectories(ten: xr.Dataset, test: float, n_test: int) -> None:
    ds = split(ten, test=test)
    assert ds["split"].dims == ("trajectory",)
    assert (ds["split"] == "test").sum() == n_test
    assert (ds["split"] == "train").sum() == 10 - n_test


def test_by_trajectory_is_drawn_by_the_seed(ten: xr.Dataset) -> None:
    marks = [split(ten, seed=seed)["split"].values.tolist() for seed in (0, 0, 1, 2)]
    assert marks[0] == marks[1]
    assert len({tuple(mark) for mark in marks}) > 1


def test_by_time_marks_the_last_part(ten: xr.Dataset) -> None:
    ds = split(ten, test=0.3, by="time")
    assert ds["split"].dims == ("time",)
    assert ds["split"].values.tolist() == ["train"] * 7 + ["test"] * 3
    assert split(ten, test=0.01, by="time")["split"].values.tolist() == ["train"] * 8 + ["test"] * 2
    assert split(ten, test=0.99, by="time")["split"].values.tolist() == ["train"] * 2 + ["test"] * 8


def test_the_parts_make_the_whole(ten: xr.Dataset) -> None:
    for by, dim in (("trajectory", "trajectory"), ("time", "time")):
        ds = split(ten, by=by)
        train, test = select_split(ds, "train"), select_split(ds, "test")
        assert train.sizes[dim] == 8
        xr.testing.assert_equal(xr.concat([train, test], dim).sortby(dim), ds)
        assert validate(train) is train
        assert set(test["split"].values.tolist()) == {"test"}


def test_irregular_records_are_split_within_each_trajectory() -> None:
    ds = from_numpy([np.arange(5.0), np.arange(10.0) / 2], [np.arange(5.0)[:, None], np.arange(10.0)[:, None]], ["x"], units={"x": "m"})
    ds = split(ds.assign(k=((), 1.0, {"role": "parameter"})), test=0.4, by="time")
    assert ds["split"].dims == ("trajectory", "obs")
    assert ds["split"].values[0].tolist() == ["train"] * 3 + ["test"] * 2 + [""] * 5
    test = validate(select_split(ds, "test"))
    np.testing.assert_array_equal(times(test), [[3, 4, np.nan, np.nan], [3, 3.5, 4, 4.5]])
    np.testing.assert_array_equal(test["x"].values, [[3, 4, np.nan, np.nan], [6, 7, 8, 9]])
    assert test["split"].values.tolist() == [["test", "test", "", ""], ["test"] * 4]
    assert test["x"].attrs == ds["x"].attrs
    assert list(test.data_vars) == ["x", "k"]
    train = validate(select_split(ds, "train"))
    np.testing.assert_array_equal(train["x"].values, [[0, 1, 2, np.nan, np.nan, np.nan], [0, 1, 2, 3, 4, 5]])


def test_splitting_again_replaces_the_marks_and_history_grows(ten: xr.Dataset) -> None:
    ds = split(split(ten, by="trajectory", seed=4), by="time")
    assert ds["split"].dims == ("time",)
    lines = ds.attrs["history"].splitlines()
    assert lines[0] == ten.attrs["history"]
    assert lines[1].endswith("split by trajectory, test=0.2, seed=4")
    assert lines[2].endswith("split by time, test=0.2")
    assert "split" not in ten.coords


@pytest.mark.parametrize("test", [0, 1, -0.1, 2, float("nan")])
def test_the_fraction_lies_between_0_and_1(ten: xr.Dataset, test: float) -> None:
    with pytest.raises(DataError, match="the fraction of test data is .*; it must lie between 0 and 1, both excluded"):
        split(ten, test=test)


def test_what_cannot_be_split_is_told(ten: xr.Dataset, irregular: xr.Dataset) -> None:
    for by in ("trajectory", "time"):
        with pytest.raises(DataError, match="the record has no trajectory; it is empty"):
            split(ten.isel(trajectory=[]), by=by)
    with pytest.raises(DataError, match="the record has one trajectory, which cannot be split by trajectory; use by='time'"):
        split(ten.isel(trajectory=[0]))
    with pytest.raises(DataError, match="trajectory 'a' has 3 times; a split by time needs at least 4.* or use by='trajectory'"):
        split(irregular, by="time")
    with pytest.raises(DataError, match=r"trajectory 'a' has 3 times; .* two on each side\. Give longer trajectories\.$"):
        split(irregular.isel(trajectory=[0]), by="time")
    with pytest.raises(UnknownNameError, match="unknown way to split 'tim'; did you mean 'time'"):
        split(ten, by="tim")
    with pytest.raises(DataError, match="the record has no coordinate 'split'"):
        select_split(ten, "train")
    with pytest.raises(UnknownNameError, match="unknown part of the split 'tset'; did you mean 'test'. Choose from: test, train"):
        select_split(split(ten), "tset")
