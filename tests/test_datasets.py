import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physode import datasets
from physode.errors import DataError, FileFormatError, UnknownNameError
from physode.files import sha256
from physode.trajectories import from_dataframe, input_names, read, state_names, to_dataframe, validate, write

EXTERNAL = ["cascaded-tanks", "f16", "silverbox"]
needs_data = pytest.mark.skipif(not os.environ.get(datasets.DATA_VARIABLE), reason=f"{datasets.DATA_VARIABLE} is not set")


def test_names_are_those_of_the_registry() -> None:
    assert datasets.names() == ["cascaded-tanks", "f16", "hudson-bay", "silverbox"]


def test_hudson_bay_has_the_published_numbers() -> None:
    ds = datasets.load_dataset("hudson-bay")
    assert dict(ds.sizes) == {"trajectory": 1, "time": 21}
    assert state_names(ds) == ["hare", "lynx"]
    assert ds["time"].values.tolist() == list(range(1900, 1921))
    assert ds["time"].dtype == np.float64
    assert ds["time"].attrs["units"] == "year"
    assert ds["hare"].attrs == {"long_name": "snowshoe hare pelts", "units": "thousand pelts", "role": "state"}
    assert ds["hare"].values[0, [0, 3, -1]].tolist() == [30, 77.4, 24.7]
    assert ds["lynx"].values[0, [0, 4, -1]].tolist() == [4, 59.4, 8.6]
    # Sums over the 21 years, so that no number in between may slip.
    assert ds["hare"].sum().item() == pytest.approx(715.7)
    assert ds["lynx"].sum().item() == pytest.approx(423.5)
    assert ds.attrs["doi"] == "10.2307/1358"
    assert ds.attrs["dataset"] == "hudson-bay"
    assert ds.attrs["history"].endswith("load_dataset hudson-bay")
    assert "system" not in ds.attrs


def test_hudson_bay_goes_through_files_with_its_years(tmp_path: Path) -> None:
    ds = datasets.load_dataset("hudson-bay")
    path = write(ds, tmp_path / "a.nc")
    xr.testing.assert_identical(read(path), ds)
    with xr.open_dataset(path, engine="h5netcdf") as plain:
        assert plain["time"].dtype == np.float64
        assert plain["time"].attrs["units"] == "year"
    back = from_dataframe(to_dataframe(ds), time="time", states=["hare", "lynx"], trajectory="trajectory")
    xr.testing.assert_equal(back, ds)


def test_every_shipped_data_set_loads_has_a_card_and_a_digest() -> None:
    folder = datasets._folder()
    registry = json.loads((folder / "registry.json").read_text())
    for name, entry in registry.items():
        assert ("file" in entry) != ("external" in entry)
        assert {"title", "sha256", "time", "variables", "licence", "citation", "doi", "source"} <= set(entry)
        if "file" in entry:
            assert sha256(folder / entry["file"]) == entry["sha256"]
            card = (folder / entry["file"]).parent / "README.md"
            assert entry["doi"] in card.read_text()
            ds = validate(datasets.load_dataset(name))
            assert state_names(ds) + input_names(ds) == list(entry["variables"])


def test_describe_tells_what_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(datasets.DATA_VARIABLE, str(tmp_path))
    (tmp_path / "silverbox").mkdir()
    (tmp_path / "silverbox" / "SNLS80mV.csv").touch()
    table = datasets.describe()
    assert table.index.tolist() == datasets.names()
    assert table["available"].to_dict() == {"cascaded-tanks": False, "f16": False, "hudson-bay": True, "silverbox": True}
    assert table.loc["silverbox", "inputs"] == "V1"
    assert table.loc["cascaded-tanks", "states"] == "y"
    assert (table["source"].str.startswith("https://")).all()
    monkeypatch.delenv(datasets.DATA_VARIABLE)
    assert datasets.describe()["available"].tolist() == [False, False, True, False]


def test_an_unknown_name_lists_the_choices() -> None:
    with pytest.raises(UnknownNameError, match="unknown data set 'hudson'; did you mean 'hudson-bay'. Choose from: cascaded-tanks, f16,"):
        datasets.load_dataset("hudson")


@pytest.mark.parametrize("name", EXTERNAL)
def test_a_data_set_that_is_not_here_says_where_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(datasets.DATA_VARIABLE, raising=False)
    with pytest.raises(
        DataError, match=r"PHYSODE_DATA, .* is not set\. Download .*\.csv from https://www.nonlinear.*PHYSODE_DATA=<folder>"
    ):
        datasets.load_dataset(name)
    monkeypatch.setenv(datasets.DATA_VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match=rf"{tmp_path}/.*\.csv does not exist\. Download .* and keep it as {tmp_path}/"):
        datasets.load_dataset(name)
    with pytest.raises(DataError, match="elsewhere/.*does not exist"):
        datasets.load_dataset(name, directory=tmp_path / "elsewhere")


def test_a_file_of_that_name_but_not_that_content_is_told(tmp_path: Path) -> None:
    path = tmp_path / "silverbox" / "SNLS80mV.csv"
    path.parent.mkdir()
    path.write_text("V1,V2\n0,1\n1,2\n")
    with pytest.raises(
        FileFormatError,
        match=r"SNLS80mV.csv is not the file of .*'silverbox': its SHA-256 begins with \w{12}, .*ae62d5a91230",
    ):
        datasets.load_dataset("silverbox", directory=tmp_path)


@needs_data
def test_silverbox() -> None:
    ds = validate(datasets.load_dataset("silverbox"))
    assert dict(ds.sizes) == {"trajectory": 1, "time": 131_072}
    assert (state_names(ds), input_names(ds)) == (["V2"], ["V1"])
    assert ds["V2"].values[0, 0] == 0.0093978
    assert ds["V1"].values[0, :2].tolist() == [0.0057756, 0.0066102]
    assert ds["time"].values[1] == 1 / 610.35
    assert (ds["V2"].attrs["units"], ds["V2"].attrs["role"], ds["time"].attrs["units"]) == ("V", "position", "s")


@needs_data
def test_f16() -> None:
    ds = validate(datasets.load_dataset("f16"))
    assert dict(ds.sizes) == {"trajectory": 1, "time": 73_728}
    assert (state_names(ds), input_names(ds)) == (["Acceleration1", "Acceleration2", "Acceleration3"], ["Force"])
    assert ds["Force"].values[0, :2].tolist() == [0.95714, -0.52401]
    assert ds["Acceleration3"].values[0, 0] == -0.046328
    assert ds["time"].values[400] == 1.0
    assert ds["Force"].attrs["units"] == "N"


@needs_data
def test_cascaded_tanks() -> None:
    ds = validate(datasets.load_dataset("cascaded-tanks"))
    assert dict(ds.sizes) == {"trajectory": 2, "time": 1024}
    assert ds["trajectory"].values.tolist() == ["estimation", "validation"]
    assert ds["y"].values[:, 0].tolist() == [5.205, 4.9728]
    assert ds["u"].values[:, 0].tolist() == [3.2567, 0.97619]
    assert ds["time"].values[:3].tolist() == [0, 4, 8]
    # The published standard deviation of the test output (reference: nonlinearbenchmark.org).
    assert ds["y"].sel(trajectory="validation").std().item() == pytest.approx(2.099, abs=5e-4)


@needs_data
def test_the_official_parts_of_silverbox() -> None:
    parts = datasets.official_split("silverbox")
    lengths = {"train": 65_062, "multisine": 21_688, "arrow-full": 40_475, "arrow-no-extrapolation": 32_000}
    assert {part: ds.sizes["time"] for part, ds in parts.items()} == lengths
    # Standard deviations in mV of what is scored, as published (reference: arXiv:2405.10779).
    spread = [1e3 * parts[part]["V2"][:, 50:].std().item() for part in ("multisine", "arrow-full", "arrow-no-extrapolation")]
    assert spread == pytest.approx([54.30, 53.48, 43.01], abs=0.01)
    assert {ds.attrs["window"] for ds in parts.values()} == {50}
    assert parts["multisine"]["time"].values[0] == 105_712 / 610.35
    assert float(abs(parts["arrow-full"]["V2"]).max()) > 1.3 * float(abs(parts["train"]["V2"]).max())
    assert "official split, multisine" in validate(parts["multisine"]).attrs["history"]


@needs_data
def test_the_official_parts_of_the_tanks() -> None:
    parts = datasets.official_split("cascaded-tanks")
    assert {part: ds["trajectory"].item() for part, ds in parts.items()} == {"train": "estimation", "test": "validation"}
    assert parts["test"].sizes == {"trajectory": 1, "time": 1024}
    assert parts["test"].attrs["window"] == 50


def test_not_every_data_set_has_an_official_split() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown official split 'f16'.* Choose from: cascaded-tanks, silverbox\."):
        datasets.official_split("f16")


@needs_data
def test_a_folder_given_in_the_call_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(os.environ[datasets.DATA_VARIABLE]) / "cascaded_tanks" / "dataBenchmark.csv"
    (tmp_path / "cascaded_tanks").mkdir()
    shutil.copy(source, tmp_path / "cascaded_tanks")
    monkeypatch.setenv(datasets.DATA_VARIABLE, "/nowhere")
    assert datasets.load_dataset("cascaded-tanks", directory=tmp_path).sizes["time"] == 1024
