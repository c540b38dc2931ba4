import numpy as np
import pytest
import xarray as xr

from physode.errors import DataError, UnknownNameError
from physode.trajectories import from_numpy, validate


def test_one_series_is_a_record_of_one_trajectory() -> None:
    ds = from_numpy([0, 1, 2], [1, 2, 4], ["x"])
    assert dict(ds.sizes) == {"trajectory": 1, "time": 3}
    assert ds["x"].dtype == ds["time"].dtype == np.float64
    assert ds["trajectory"].values.tolist() == [0]
    np.testing.assert_array_equal(ds["x"].values, [[1, 2, 4]])


def test_units_roles_inputs_and_labels_are_kept(regular: xr.Dataset) -> None:
    assert regular["x"].attrs == {"long_name": "x", "units": "m", "role": "position"}
    assert regular["v"].attrs == {"long_name": "v", "units": "m s-1", "role": "velocity", "time_derivative_of": "x"}
    assert regular["force"].attrs == {"long_name": "force", "units": "N", "role": "input"}
    assert regular["time"].attrs == {"long_name": "time", "units": "s"}
    np.testing.assert_array_equal(regular["force"].values, np.tile(np.sin([0.0, 1, 2, 4]), (2, 1)))
    assert validate(regular) is regular


def test_momentum_points_to_its_position() -> None:
    values = np.column_stack([np.arange(3.0)] * 4)
    roles = {"a": "position", "b": "position", "pa": "momentum of a", "pb": "momentum of b"}
    ds = from_numpy([0, 1, 2], values, ["a", "b", "pa", "pb"], roles=roles)
    assert ds["pb"].attrs["conjugate_to"] == "b"
    assert "role" in ds["a"].attrs
    with pytest.raises(
        DataError, match="'pa' has the role 'momentum', but there are 2 positions; say of which, for example 'momentum of a'"
    ):
        from_numpy([0, 1, 2], values, ["a", "b", "pa", "pb"], roles=roles | {"pa": "momentum"})


def test_a_velocity_may_point_to_a_position_that_was_not_measured() -> None:
    ds = from_numpy([0, 1, 2], [0.0, 1.0, 4.0], ["omega"], roles={"omega": "velocity of theta"})
    assert ds["omega"].attrs["time_derivative_of"] == "theta"


def test_trajectories_of_their_own_times_are_padded(irregular: xr.Dataset) -> None:
    assert dict(irregular.sizes) == {"trajectory": 2, "obs": 5}
    np.testing.assert_array_equal(irregular["x"].values, [[1, np.nan, 3, np.nan, np.nan], [5, 6, 7, 8, 10]])
    assert irregular["trajectory"].values.tolist() == ["a", "b"]


def test_times_of_each_trajectory_that_agree_make_a_regular_record() -> None:
    values = np.arange(6.0).reshape(2, 3, 1)
    assert dict(from_numpy([[0, 1, 2], [0, 1, 2]], values, ["x"]).sizes) == {"trajectory": 2, "time": 3}
    assert dict(from_numpy([[0, 1, 2], [0, 1, 3]], values, ["x"]).sizes) == {"trajectory": 2, "obs": 3}


def test_inputs_of_each_trajectory() -> None:
    ds = from_numpy([0, 1], np.arange(4.0).reshape(2, 2, 1), ["x"], inputs={"u": [[1.0, 2.0], [3.0, 4.0]]})
    np.testing.assert_array_equal(ds["u"].values, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [1.0, 2.0], "x"), r"states is the text 'x'; give a list of names: states=\['x'\]"),
        (([0, 1], [[1.0, 2.0]], ["x"]), r"have the shape \(1, 2\), but 1 states were named"),
        (([0, 1, 2], [1.0, 2.0], ["x"]), "trajectory 0 has 2 rows of values but 3 of 'time'"),
        (([0, 1], np.zeros((0, 2, 1)), ["x"]), r"values have the shape \(0, 2, 1\)"),
        (([0, 1], np.zeros((1, 1, 2, 1)), ["x"]), r"values have the shape \(1, 1, 2, 1\)"),
        (([[0, 1], [0, 1]], [1.0, 2.0], ["x"]), r"time has the shape \(2, 2\); give one series, or one for each of the 1 trajectories"),
        ((1.0, [1.0, 2.0], ["x"]), r"time has the shape \(\); give one series, or one for each of the 1 trajectories"),
        ((list(np.arange(2).astype("M8[ns]")), [1.0, 2.0], ["x"]), "time holds dates; give real numbers, for example seconds"),
        ((np.array([*np.arange(2).astype("M8[ns]")], dtype=object), [1.0, 2.0], ["x"]), "time holds dates; give real numbers"),
        (([0, 1], np.array([0.0, np.timedelta64(1, "ns")], dtype=object), ["x"]), "values holds time spans; give real numbers"),
        (([0, 1], np.array([0.0, 1j], dtype=object), ["x"]), "values holds complex numbers; give real numbers"),
        (([], [1.0, 2.0], ["x"]), "trajectory 0 has 2 rows of values but 0 of 'time'"),
        (([0, 1], ["a", "b"], ["x"]), "values could not be turned into numbers: could not convert string to float: 'a'"),
        (([0, 0], [1.0, 2.0], ["x"]), r"trajectory 0: the time 0.0 is repeated in row 2 \(also in row 1\)"),
        (([0, 2, 1], [1.0, 2.0, 3.0], ["x"]), "trajectory 0: time goes backwards in row 3, from 2.0 to 1.0"),
        (([0, np.nan], [1.0, 2.0], ["x"]), "trajectory 0: the time in row 2 is missing"),
        (([0, np.inf], [1.0, 2.0], ["x"]), "trajectory 0: the time in row 2 is infinite"),
        (([0, 1], [1.0, np.inf], ["x"]), "'x' has an infinite value at trajectory 0, row 2, time 1.0"),
        (([0, 1], [[1.0, 1.0], [2.0, 3.0]], ["x", "x"]), "a name is used twice among the states"),
        (([0, 1], [1.0, 2.0], ["time"]), "a variable is called 'time', which the data contract keeps for itself; rename it"),
    ],
)
def test_what_does_not_fit_is_told(arguments: tuple, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_numpy(*arguments)


def test_inputs_labels_units_and_roles_that_do_not_fit_are_told() -> None:
    def make(**options: object) -> xr.Dataset:
        return from_numpy([0, 1], [1.0, 2.0], ["x"], **options)  # type: ignore[arg-type]

    with pytest.raises(DataError, match="trajectory 0 has 2 rows of values but 3 of 'u'"):
        make(inputs={"u": [1, 2, 3]})
    with pytest.raises(DataError, match="the input 'u' is missing at trajectory 0, row 2, time 1.0"):
        make(inputs={"u": [1, np.nan]})
    with pytest.raises(DataError, match="a name is used twice"):
        make(inputs={"x": [1, 2]})
    with pytest.raises(DataError, match="2 trajectory labels were given for 1 trajectories"):
        make(trajectories=["a", "b"])
    with pytest.raises(UnknownNameError, match="unknown column in units 'y'"):
        make(units={"y": "m"})
    with pytest.raises(UnknownNameError, match="unknown state in roles 'y'"):
        make(roles={"y": "position"})
    with pytest.raises(UnknownNameError, match="unknown role of the state 'x': 'positon'; did you mean 'position'"):
        make(roles={"x": "positon"})
    with pytest.raises(DataError, match="'x' has the units 'seconds', which xarray decodes to a time span; write 's'"):
        make(units={"x": "seconds"})


def test_masked_values_are_missing() -> None:
    x = np.ma.masked_array([1.0, -9999.0, 3.0], mask=[False, True, False])
    np.testing.assert_array_equal(from_numpy([0, 1, 2], x, ["x"])["x"].values, [[1, np.nan, 3]])
    np.testing.assert_array_equal(from_numpy([[0, 1, 2], [0, 2]], [x, [1.0, 2.0]], ["x"])["x"].values[0], [1, np.nan, 3])


@pytest.mark.parametrize(
    ("time", "x", "message"),
    [
        (np.arange(3).astype("M8[s]"), [1.0, 2, 4], "time holds dates; give real numbers, for example seconds since the first row"),
        (np.arange(3).astype("m8[ns]"), [1.0, 2, 4], "time holds time spans"),
        ([0, 1, 2], [1.0, 2.0j, 4], "values holds complex numbers; give real numbers."),
    ],
)
def test_what_would_become_another_number_is_refused(time: object, x: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_numpy(time, x, ["x"])
