import numpy as np
import pytest
import xarray as xr

from physode.errors import DataError
from physode.trajectories import check_structure, validate


def test_a_good_record_comes_back_as_it_is(regular: xr.Dataset, irregular: xr.Dataset) -> None:
    for ds in (regular, irregular):
        before = ds.copy(deep=True)
        assert validate(ds) is ds
        xr.testing.assert_identical(ds, before)


def without(ds: xr.Dataset, name: str, attr: str) -> xr.Dataset:
    ds = ds.copy()
    ds[name].attrs = {key: value for key, value in ds[name].attrs.items() if key != attr}
    return ds


def with_attrs(ds: xr.Dataset, name: str, **attrs: object) -> xr.Dataset:
    return ds.assign({name: ds[name].assign_attrs(attrs)})


def with_value(ds: xr.Dataset, name: str, index: tuple[int, int], value: float) -> xr.Dataset:
    changed = ds[name].copy(deep=True)
    changed.values[index] = value
    return ds.assign({name: changed}) if name in ds.data_vars else ds.assign_coords({name: changed})


STRUCTURE = {
    r"a record is an xarray.Dataset, but this is a DataArray": lambda ds: ds["x"],
    r"follows the schema 'physode/9'; this version of physode knows 'physode/1'": lambda ds: ds.assign_attrs(schema="physode/9"),
    r"no dimension 'trajectory', only \['time'\]; .*expand_dims\(trajectory=\[0\]\)": lambda ds: ds.isel(trajectory=0, drop=True),
    r"'time' .*or 'obs' .*found the dimensions \['trajectory'\]": lambda ds: ds.isel(time=0, drop=True),
    r"no coordinate 'time'; add it with ds.assign_coords": lambda ds: ds.drop_vars("time"),
    r"no coordinate 'trajectory'": lambda ds: ds.drop_vars("trajectory"),
    r"coordinate 'time' is int64, not float64": lambda ds: ds.assign_coords(time=[0, 1, 2, 3]),
    r"labels of the coordinate 'trajectory' are float64; they must be whole numbers or text": lambda ds: ds.assign_coords(
        trajectory=[0.5, 1.5]
    ),
    r"the trajectory label 3 is used more than once": lambda ds: ds.assign_coords(trajectory=[3, 3]),
    r"time goes backwards in row 3, from 1.0 to 0.5": lambda ds: ds.assign_coords(time=[0.0, 1.0, 0.5, 2.0]),
    r"the time 1.0 is repeated in row 3": lambda ds: ds.assign_coords(time=[0.0, 1.0, 1.0, 2.0]),
    r"variable 'x' has no role; set it, for example ds\['x'\].attrs\['role'\] = 'state'": lambda ds: without(ds, "x", "role"),
    r"variable 'x': unknown role 'positon'; did you mean 'position'": lambda ds: with_attrs(ds, "x", role="positon"),
    r"variable 'v' has the role 'velocity' but does not say of what": lambda ds: without(ds, "v", "time_derivative_of"),
    r"variable 'v' has the role 'momentum' .*attrs\['conjugate_to'\]": lambda ds: with_attrs(ds, "v", role="momentum"),
    r"variable 'x' is float32, not float64": lambda ds: ds.astype("float32").assign_coords(time=ds["time"]),
    r"variable 'x' has the dimensions \('time', 'trajectory'\), not \('trajectory', 'time'\)": lambda ds: ds.transpose(),
    r"variable 'x' has the dimensions \('time',\)": lambda ds: ds.assign(x=ds["x"][0].assign_attrs(ds["x"].attrs)),
    r"'k' has the role 'parameter' and the dimensions \('time',\); it must be one number, or one for each trajectory": lambda ds: ds.assign(
        k=("time", np.zeros(4), {"role": "parameter"})
    ),
    r"a variable is called 'model', which the data contract keeps": lambda ds: ds.rename(x="model"),
    r"'x/y' cannot be kept in a netCDF file: it contains '/'": lambda ds: ds.rename(x="x/y"),
    r"the record has the attribute 'done' with the bool True": lambda ds: ds.assign_attrs(done=True),
    r"variable 'x' has the attribute 'limits' with the NoneType None": lambda ds: with_attrs(ds, "x", limits=None),
    r"the coordinate 'time' has the units 'seconds'.*write 's'": lambda ds: ds.assign_coords(time=ds["time"].assign_attrs(units="seconds")),
    r"the coordinate 'time' has the units 'days since 1900-01-01', which xarray decodes to dates": lambda ds: ds.assign_coords(
        time=ds["time"].assign_attrs(units="days since 1900-01-01")
    ),
    r"variable 'x' has the units 1; units are text": lambda ds: with_attrs(ds, "x", units=1),
}


@pytest.mark.parametrize("message", STRUCTURE)
def test_a_record_of_the_wrong_form_is_told(regular: xr.Dataset, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_structure(STRUCTURE[message](regular))
    with pytest.raises(DataError, match=message):
        validate(STRUCTURE[message](regular))


VALUES = {
    r"no state among its variables \['force'\]; give at least one the role position or velocity": lambda ds: ds[["force"]],
    r"'x' has an infinite value at trajectory 1, row 3, time 2.0 \(1 in all\)": lambda ds: with_value(ds, "x", (1, 2), np.inf),
    r"'force' has an infinite value at trajectory 0, row 1": lambda ds: with_value(ds, "force", (0, 0), -np.inf),
    r"the input 'force' is missing at trajectory 0, row 2, time 1.0": lambda ds: with_value(ds, "force", (0, 1), np.nan),
    r"trajectory 0 has 1 row with a measured state": lambda ds: ds.isel(time=[0]),
    r"the record has no trajectory": lambda ds: ds.isel(trajectory=[]),
    r"the state 'v' is constant: -1.0 in every row": lambda ds: ds.isel(trajectory=[1]),
    r"the state 'x' has no value at all": lambda ds: ds.assign(x=(ds["x"] * np.nan).assign_attrs(ds["x"].attrs)),
    r"'k' with the role 'parameter' is NaN; remove it": lambda ds: ds.assign(k=((), np.nan, {"role": "parameter"})),
    r"'k' has an infinite value at trajectory 1 \(1 in all\)": lambda ds: ds.assign(k=("trajectory", [1, np.inf], {"role": "parameter"})),
    r"'k' is a standard deviation and is negative at trajectory 0": lambda ds: ds.assign(k=("trajectory", [-1.0, 1], {"role": "noise"})),
}


@pytest.mark.parametrize("message", VALUES)
def test_values_that_cannot_be_fitted_are_told_by_validate_alone(regular: xr.Dataset, message: str) -> None:
    ds = VALUES[message](regular)
    with pytest.raises(DataError, match=message):
        validate(ds)
    assert check_structure(ds) is ds


def test_padding_of_irregular_records(irregular: xr.Dataset) -> None:
    with pytest.raises(DataError, match=r"variable 'x' has a value without a time at trajectory 'a', row 4"):
        validate(with_value(irregular, "x", (0, 3), 1.0))
    with pytest.raises(DataError, match=r"trajectory 'a': a missing time lies before a valid one \(row 2\); padding belongs at the end"):
        validate(with_value(irregular, "time", (0, 1), np.nan))
    with pytest.raises(DataError, match=r"trajectory 'b': time goes backwards in row 3, from 0.5 to 0.25"):
        validate(with_value(irregular, "time", (1, 2), 0.25))
    with pytest.raises(DataError, match=r"coordinate 'time' has the dimensions \('obs', 'trajectory'\)"):
        validate(irregular.assign_coords(time=irregular["time"].transpose()))
    assert validate(with_value(irregular, "x", (1, 2), np.nan)) is not None


def test_one_trajectory_may_rest_while_another_moves(regular: xr.Dataset) -> None:
    assert np.ptp(regular["v"].values[1]) == 0
    assert validate(regular) is regular
