"""Cells side by side: union of states, exact coordinates, NaN where nothing is."""

import numpy as np
import xarray as xr

from physode.analysis.side_by_side import side_by_side


def test_union_padding_and_order():
    time = np.array([0.0, 0.1, 0.30000000000000004])
    one = xr.Dataset(
        {"x": ("time", [1.0, 2.0, 3.0], {"units": "m"}), "loss": ("epoch", [5.0, 4.0]), "status": ((), "fine"), "n": ((), 3)},
        {"time": ("time", time, {"units": "s"}), "epoch": [0, 1], "split": ("time", ["train", "train", "test"])},
    )
    two = xr.Dataset(
        {"v": ("time", [7.0, 8.0, 9.0]), "loss": ("epoch", [3.0, 2.0, 1.0]), "status": ((), "stopped")},
        {"time": time, "epoch": [0, 1, 2], "split": ("time", ["train", "train", "test"])},
    )
    out = side_by_side({("b", 1): two, ("a", 0): one}, ["a", "b", "c"], [0, 1])
    assert out["x"].dims == ("model", "seed", "time") and out["x"].attrs == {"units": "m"}
    assert out["time"].values.tobytes() == time.tobytes()
    assert out["model"].values.tolist() == ["a", "b", "c"] and out["split"].values.tolist() == ["train", "train", "test"]
    np.testing.assert_array_equal(out["x"].sel(model="a", seed=0), [1, 2, 3])
    assert np.isnan(out["x"].sel(model="b")).all() and np.isnan(out["v"].sel(model="a")).all()
    np.testing.assert_array_equal(out["loss"].sel(model="a", seed=0), [5, 4, np.nan])
    np.testing.assert_array_equal(out["loss"].sel(model="b", seed=1), [3, 2, 1])
    assert out["status"].values.tolist() == [["fine", ""], ["", "stopped"], ["", ""]]
    assert out["n"].dtype == np.float64 and out["n"].sel(model="a", seed=0) == 3


def test_different_state_coordinates_are_joined_by_name():
    one = xr.Dataset({"rmse": ("state", [1.0, 2.0])}, {"state": ["x", "y"]})
    two = xr.Dataset({"rmse": ("state", [4.0, 3.0])}, {"state": ["z", "x"]})
    out = side_by_side({("a", 0): one, ("b", 0): two}, ["a", "b"], [0])
    assert out["state"].values.tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(out["rmse"].sel(seed=0), [[1, 2, np.nan], [3, np.nan, 4]])


def test_nothing_at_all_is_an_empty_frame():
    out = side_by_side({}, ["a"], [0, 1])
    assert dict(out.sizes) == {"model": 1, "seed": 2} and not out.data_vars


def test_what_describes_a_dimension_is_joined_or_becomes_a_variable():
    one = xr.Dataset({"r2": ("state", [0.5])}, {"state": ["x"], "units": ("state", ["m"]), "of": ("point", ["x", "x"])})
    other = xr.Dataset({"r2": ("state", [0.7])}, {"state": ["v"], "units": ("state", ["m s-1"]), "of": ("point", ["v"])})
    both = side_by_side({("a", 0): one, ("b", 0): other}, ["a", "b"], [0])
    assert dict(zip(both.state.values.tolist(), both.units.values.tolist(), strict=True)) == {"x": "m", "v": "m s-1"}
    assert "of" not in both.coords  # its points are not the same
    assert both["of"].sel(seed=0).values.tolist() == [["x", "x"], ["v", ""]]
