import numpy as np
import pytest
import xarray as xr

from physode.errors import DataError, UnknownNameError
from physode.trajectories import input_names, parameter_names, sample_names, state_names, time_dim, times, values


def test_names_follow_the_roles_in_the_order_of_the_record(regular: xr.Dataset) -> None:
    ds = regular.assign(gravity=((), 9.81, {"role": "parameter"}), x_noise_std=((), 0.1, {"role": "noise"}))
    ds["x_true"] = ds["x"].assign_attrs(role="truth")
    assert state_names(ds) == ["x", "v"]
    assert state_names(ds[["v", "x"]]) == ["v", "x"]
    assert input_names(ds) == ["force"]
    assert parameter_names(ds) == ["gravity"]
    assert sample_names(ds) == ["x", "v", "force", "x_true"]


def test_times_of_a_regular_record_are_repeated_for_each_trajectory(regular: xr.Dataset) -> None:
    assert time_dim(regular) == "time"
    found = times(regular)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[0, 1, 2, 4], [0, 1, 2, 4]])


def test_times_of_an_irregular_record_are_padded(irregular: xr.Dataset) -> None:
    assert time_dim(irregular) == "obs"
    expected = [[0, 1, 2, np.nan, np.nan], [0, 0.5, 1, 2, 4]]
    np.testing.assert_array_equal(times(irregular), expected)
    np.testing.assert_array_equal(times(irregular.transpose("obs", "trajectory")), expected)


def test_values_come_in_the_asked_order_whatever_the_order_of_the_dimensions(regular: xr.Dataset) -> None:
    for ds in (regular, regular.transpose("time", "trajectory")):
        found = values(ds, ["v", "force", "x"])
        assert found.shape == (2, 4, 3)
        np.testing.assert_array_equal(found[0, :, 2], [0, 1, 4, 16])
        np.testing.assert_array_equal(found[1, :, 0], [-1, -1, -1, -1])
        np.testing.assert_array_equal(found[1, :, 1], np.sin([0.0, 1, 2, 4]))
    assert values(regular, []).shape == (2, 4, 0)


def test_values_of_an_unknown_name_list_the_known_ones(regular: xr.Dataset) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown variable 'forse'; did you mean 'force'\? Choose from: force, v, x\."):
        values(regular, ["forse"])


@pytest.mark.parametrize("dims", [["trajectory"], ["trajectory", "time", "obs"]])
def test_a_record_has_one_dimension_along_time(dims: list[str]) -> None:
    with pytest.raises(DataError, match="never none or both; found the dimensions"):
        time_dim(xr.Dataset({"x": (dims, np.zeros([2] * len(dims)))}))
