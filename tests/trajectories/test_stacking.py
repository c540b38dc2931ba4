import numpy as np
import pytest
import xarray as xr

from physode.errors import DataError
from physode.trajectories import from_numpy, stack_states, unstack_states


def test_states_are_stacked_with_their_units(regular: xr.Dataset) -> None:
    stacked = stack_states(regular)
    assert stacked.dims == ("trajectory", "time", "state")
    assert stacked["state"].values.tolist() == ["x", "v"]
    assert stacked["units"].values.tolist() == ["m", "m s-1"]
    assert stacked["role"].values.tolist() == ["position", "velocity"]
    assert stacked["time_derivative_of"].values.tolist() == ["", "x"]
    np.testing.assert_array_equal(stacked.sel(state="v").values, regular["v"].values)
    assert stacked.attrs == regular.attrs


def test_unstacking_gives_the_states_back(regular: xr.Dataset, irregular: xr.Dataset) -> None:
    xr.testing.assert_identical(unstack_states(stack_states(regular)), regular[["x", "v"]])
    assert stack_states(irregular).dims == ("trajectory", "obs", "state")
    xr.testing.assert_identical(unstack_states(stack_states(irregular)), irregular)


def test_a_stacked_selection_keeps_attributes_apart(regular: xr.Dataset) -> None:
    alone = unstack_states(stack_states(regular).sel(state=["v"]))
    assert alone["v"].attrs == regular["v"].attrs


def test_without_attributes_no_coordinates_are_made() -> None:
    ds = from_numpy([0, 1], [1.0, 2.0], ["x"])
    ds["x"].attrs = {"role": "state"}
    assert set(stack_states(ds).coords) == {"trajectory", "time", "state", "role"}


def test_what_cannot_be_stacked_is_told(regular: xr.Dataset) -> None:
    with pytest.raises(DataError, match=r"no state to stack; its variables are \['force'\]"):
        stack_states(regular[["force"]])
    with pytest.raises(DataError, match=r"no dimension 'state' with names, only \('trajectory', 'time'\)"):
        unstack_states(regular["x"])
