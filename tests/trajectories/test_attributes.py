import h5py
import numpy as np
import pytest

from physode.errors import DataError
from physode.trajectories.attributes import check_attributes, plain_attributes
from physode.trajectories.names import check_name, variable_name


@pytest.mark.parametrize(
    "value", ["", "m", 1, -(2**63), 1.5, float("nan"), [1, 2], [1.5, 2], ["a", "b"], (1, 2), np.arange(3), np.float64(1), np.int8(3)]
)
def test_what_netcdf_holds_is_accepted(value: object) -> None:
    check_attributes({"a": value}, "it")


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"a": None}, "it has the attribute 'a' with the NoneType None"),
        ({"a": False}, "with the bool False; .*Write a bool as 0 or 1"),
        ({"a": np.True_}, "with the bool True"),
        ({"a": {"b": 1}}, "with the dict {'b': 1}; .*nested settings as one JSON text"),
        ({"a": 1j}, "with the complex 1j"),
        ({"a": b"x"}, "with the bytes"),
        ({"a": 2**63}, "the number 9223372036854775808, which is too large for 64 bits"),
        ({"a": []}, r"the list \[\], which comes back as no list"),
        ({"a": ["b"]}, r"the list \['b'\], which comes back as no list \(write the element itself"),
        ({"a": [[1, 2], [3, 4]]}, "a nested list"),
        ({"a": np.zeros((2, 2))}, "a nested list"),
        ({"a": [1, "b"]}, "a list that mixes text and numbers"),
        ({"a": [1, None]}, "the NoneType None"),
        ({"a": "b\0"}, "a text that contains the character NUL"),
        ({"a": "\ud800"}, "a text that is not valid Unicode"),
        ({"_FillValue": 1}, "the attribute '_FillValue', a name that netCDF keeps for itself"),
        ({"coordinates": "x"}, "the attribute 'coordinates', a name"),
        ({1: "x"}, "the attribute 1, a name"),
        ({"": "x"}, "the attribute '', a name"),
        ({"units": "nanoseconds"}, "write 'ns'"),
        ({"units": "hours since 2000-01-01"}, "which xarray decodes to dates"),
        ({"units": 3.0}, "it has the units 3.0; units are text"),
    ],
)
def test_what_netcdf_does_not_hold_is_told(attrs: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_attributes(attrs, "it")


def test_numpy_values_become_plain_ones() -> None:
    found = plain_attributes(
        {"i": np.int64(1), "f": np.float64(0.5), "l": np.array([1, 2]), "t": np.array(["a", "b"], dtype=object), "e": h5py.Empty("S1")}
    )
    assert found == {"i": 1, "f": 0.5, "l": [1, 2], "t": ["a", "b"], "e": ""}
    assert [type(value) for value in found.values()] == [int, float, list, list, str]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("x", "x"),
        (" x ", "x"),
        ("a/b", "a_b"),
        ("a\tb\nc", "a_b_c"),
        ("cost $", "cost $"),
        ("<b>", "<b>"),
        ("\0x", "_x"),
        ("é", "é"),
        (3, "3"),
        ("a\ud800", "a_"),
    ],
)
def test_names_of_variables_follow_the_labels(label: object, name: str) -> None:
    assert variable_name(label) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "cannot be kept in a netCDF file: it is empty"),
        (" x", "it begins or ends with a blank"),
        ("a/b", "it contains '/'"),
        ("a\nb", "it contains a control character"),
        ("..", "it is only dots"),
        ("_nc4_non_coord_x", "it begins with '_nc4_non_coord_'"),
        ("ä" * 101, "it is longer than 200 bytes"),
        (3, "the variable name 3 is a int; names are text, so rename it to '3'"),
        (
            "seed",
            "'seed', which the data contract keeps for itself; rename it, for example to 'seed_value'. Reserved names: epoch, exp",
        ),
    ],
)
def test_names_that_a_file_cannot_hold_are_told(name: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_name(name)
