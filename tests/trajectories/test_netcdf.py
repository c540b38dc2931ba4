from pathlib import Path

import h5netcdf
import numpy as np
import pytest
import xarray as xr

from physode.errors import DataError, ExistsError, FileFormatError
from physode.trajectories import read, split, write


def test_what_was_written_is_read(regular: xr.Dataset, irregular: xr.Dataset, tmp_path: Path) -> None:
    odd = {"n": 3, "f": 0.1, "nan": float("nan"), "numbers": [1.5, 2.5], "names": ["a", "b"], "empty": "", "unicode": "Größe ∂x <b>"}
    for name, ds in {"regular": split(regular, by="trajectory"), "irregular": irregular}.items():
        ds = ds.assign(k=((), 2.0, {"role": "parameter", "units": "N m-1"})).assign_attrs(odd)
        path = tmp_path / f"{name}.nc"
        assert write(ds, path) == path
        back = read(path)
        xr.testing.assert_identical(back.drop_attrs(deep=False), ds.drop_attrs(deep=False))
        assert {key: value for key, value in back.attrs.items() if key != "nan"} == {
            key: value for key, value in ds.attrs.items() if key != "nan"
        }
        assert np.isnan(back.attrs["nan"])
        assert [type(back.attrs[key]) for key in odd] == [type(value) for value in odd.values()]
        assert all(back[variable].dtype == ds[variable].dtype for variable in ds.variables)
        assert not any(variable.encoding for variable in back.variables.values())


def test_bits_are_kept(regular: xr.Dataset, tmp_path: Path) -> None:
    odd = np.array([-0.0, 5e-324, np.nextafter(1, 2), np.nan])
    ds = regular.assign(x=regular["x"].copy(data=np.stack([odd, -odd])))
    back = read(write(ds, tmp_path / "a.nc"))
    assert back["x"].values.tobytes() == ds["x"].values.tobytes()


@pytest.mark.parametrize("units", ["s", "year", "d", "min", "h"])
def test_times_stay_numbers_for_xarray_too(regular: xr.Dataset, tmp_path: Path, units: str) -> None:
    ds = regular.assign_coords(time=regular["time"].assign_attrs(units=units))
    path = write(ds, tmp_path / "a.nc")
    with xr.open_dataset(path, engine="h5netcdf") as plain:
        assert plain["time"].dtype == np.float64
        assert plain["time"].attrs["units"] == units
        np.testing.assert_array_equal(plain["x"].values, ds["x"].values)


@pytest.mark.parametrize("kind", ["regular", "irregular"])
def test_files_that_xarray_wrote_are_read(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    ds = request.getfixturevalue(kind)
    ds.to_netcdf(tmp_path / "own.nc", engine="h5netcdf")
    xr.testing.assert_identical(read(tmp_path / "own.nc"), ds)
    with xr.open_dataset(write(ds, tmp_path / "a.nc"), engine="h5netcdf") as opened:
        opened.to_netcdf(tmp_path / "again.nc", engine="h5netcdf")
    xr.testing.assert_identical(read(tmp_path / "again.nc"), ds)


def test_fill_values_are_missing_values(regular: xr.Dataset, tmp_path: Path) -> None:
    holes = regular["x"].copy(data=[[1.0, np.nan, 3.0, np.nan], [-0.0, 5.0, 6.0, 7.0]])
    filled = holes.copy(data=[[1.0, 1e20, 3.0, -999.0], [-0.0, 5.0, 6.0, 7.0]]).assign_attrs(missing_value=[-999.0, -99.0])
    regular.assign(x=filled).to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding={"x": {"_FillValue": 1e20}})
    back = read(tmp_path / "a.nc")
    assert back["x"].values.tobytes() == holes.values.tobytes()
    assert back["x"].attrs == regular["x"].attrs


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("trajectory", {"_FillValue": -1}), ("x", {"dtype": "int16", "scale_factor": 0.1, "_FillValue": -1}), ("x", {"scale_factor": 0.1})],
)
def test_labels_and_packed_numbers_are_not_unpacked_without_a_word(regular: xr.Dataset, tmp_path: Path, name: str, encoding: dict) -> None:
    regular.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding={name: encoding})
    with pytest.raises(FileFormatError, match=f"'{name}' has the attribute '(_FillValue|scale_factor)', a name that netCDF keeps"):
        read(tmp_path / "a.nc")


def test_encodings_of_other_files_do_no_harm(regular: xr.Dataset, tmp_path: Path) -> None:
    ds = regular.copy()
    ds["x"].encoding = {"dtype": "int8", "scale_factor": 100.0, "_FillValue": 0}
    xr.testing.assert_identical(read(write(ds, tmp_path / "a.nc")), regular)


def test_a_prediction_may_hold_what_a_record_may_not(regular: xr.Dataset, tmp_path: Path) -> None:
    prediction = regular.assign(
        x=(regular["x"] * np.inf).assign_attrs(regular["x"].attrs), augmented_1=regular["x"].assign_attrs(role="augmented")
    )
    assert np.isinf(read(write(prediction, tmp_path / "a.nc"))["x"].values).any()


def test_a_file_is_not_overwritten_unasked(regular: xr.Dataset, irregular: xr.Dataset, tmp_path: Path) -> None:
    path = write(regular, tmp_path / "a.nc")
    with pytest.raises(ExistsError, match=r"a.nc exists already and was left alone; choose another name"):
        write(irregular, path)
    xr.testing.assert_identical(read(path), regular)
    write(irregular, path, overwrite=True)
    xr.testing.assert_identical(read(path), irregular)


def test_a_failed_write_leaves_the_old_file(regular: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(regular, tmp_path / "a.nc")

    def broken(target: Path, content: bytes) -> None:
        target.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(KeyboardInterrupt):
        write(regular, path, overwrite=True)
    monkeypatch.undo()
    xr.testing.assert_identical(read(path), regular)
    assert [file.name for file in tmp_path.iterdir()] == ["a.nc"]


def test_a_full_disk_is_told_and_leaves_nothing(regular: xr.Dataset, tmp_path: Path, full_disk: None) -> None:
    with pytest.raises(OSError, match=r"No space left on device: .*/a.nc'"):
        write(regular, tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())


def test_hdf5_never_writes_to_a_disk_itself(regular: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = xr.Dataset.to_netcdf

    def in_memory(self: xr.Dataset, path: None = None, **options: object) -> object:
        return whole(self, path, **options) if path is None else pytest.fail(f"{path} was handed to HDF5, which crashes on a full disk")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", in_memory)
    xr.testing.assert_identical(read(write(regular, tmp_path / "a.nc")), regular)


def test_what_is_no_record_is_not_written(regular: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="with the bool True"):
        write(regular.assign_attrs(done=True), tmp_path / "a.nc")
    with pytest.raises(FileFormatError, match=r"cannot be written: there is no folder .*none; make it first"):
        write(regular, tmp_path / "none" / "a.nc")
    assert not list(tmp_path.iterdir())


def test_every_truncation_is_told(regular: xr.Dataset, tmp_path: Path) -> None:
    whole = write(regular, tmp_path / "a.nc").read_bytes()
    path = tmp_path / "cut.nc"
    for length in [*range(0, 64, 4), *np.linspace(64, len(whole) - 1, 60, dtype=int)]:
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=r"cut.nc cannot be read as netCDF; it is damaged, cut off or of another kind"):
            read(path)


def test_a_changed_number_is_told(regular: xr.Dataset, tmp_path: Path) -> None:
    path = write(regular, tmp_path / "a.nc")
    whole = bytearray(path.read_bytes())
    start = whole.find(regular["x"].values.tobytes())
    assert start > 0
    whole[start + 9] ^= 1
    path.write_bytes(whole)
    with pytest.raises(FileFormatError, match=r"a.nc cannot be read as netCDF; it is damaged"):
        read(path)


def test_files_of_other_kinds_are_told(regular: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"there is no file .*a.nc"):
        read(tmp_path / "a.nc")
    with pytest.raises(FileFormatError, match="there is no file"):
        read(tmp_path)
    (tmp_path / "a.nc").write_text("t,x\n0,1\n")
    with pytest.raises(FileFormatError, match=r"a.nc cannot be read as netCDF; .*Write it again, or give it as CSV"):
        read(tmp_path / "a.nc")
    with h5netcdf.File(tmp_path / "b.nc", "w") as file:
        file.dimensions = {"y": 2}
        file.create_variable("x", ("y",), float)
    with pytest.raises(
        FileFormatError, match=r"b.nc is a netCDF file, but not a record of physode: the record has no dimension 'trajectory'"
    ):
        read(tmp_path / "b.nc")
