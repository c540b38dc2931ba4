from pathlib import Path

import numpy as np
import pytest

from physode.errors import DataError, FileFormatError
from physode.trajectories import read_csv, state_names


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.csv"


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_a_file_is_read_exactly(path: Path) -> None:
    numbers = [0.1, 1 / 3, 2.5e-300, float(np.nextafter(1, 2)), 1e22]
    write(path, "t,x\n" + "".join(f"{i},{x!r}\n" for i, x in enumerate(numbers)))
    ds = read_csv(path, time="t", states=["x"], units={"x": "m", "t": "s"})
    assert ds["x"].values[0].tolist() == numbers
    assert ds["x"].attrs == {"long_name": "x", "units": "m", "role": "state"}
    assert ds.attrs["source"] == "run.csv"
    assert "read_csv run.csv" in ds.attrs["history"]


def test_trajectories_and_inputs(path: Path) -> None:
    write(path, "id,t,x,u\na,0,1,5\na,1,2,6\nb,0,3,7\nb,2,4,8\n")
    ds = read_csv(path, time="t", states=["x"], trajectory="id", inputs=["u"], roles={"x": "position"})
    assert dict(ds.sizes) == {"trajectory": 2, "obs": 2}
    assert ds["trajectory"].values.tolist() == ["a", "b"]
    np.testing.assert_array_equal(ds["u"].values, [[5, 6], [7, 8]])
    assert ds["x"].attrs["role"] == "position"


@pytest.mark.parametrize("name", ["t", "T", "time", "Time", "YEAR"])
def test_the_time_column_is_found_by_its_usual_names(path: Path, name: str) -> None:
    ds = read_csv(write(path, f"x,{name}\n1,0\n2,1\n"))
    assert ds["time"].values.tolist() == [0, 1]
    assert ds["time"].attrs["long_name"] == name
    assert state_names(ds) == ["x"]


def test_states_are_all_other_columns_of_numbers(path: Path) -> None:
    write(path, "t,x,id,note,u,y,empty\n0,1,1,good,3,4,\n1,2,1,,4,5,\n")
    assert state_names(read_csv(path, trajectory="id", inputs=["u"])) == ["x", "y"]


@pytest.mark.parametrize(
    "cells",
    [['"1,5"', '"2,5"'], ["30.00°", "31.00°"], ["50.1%", "49%"], ["1.2D+00", "1.3D+00"], ["−1.5", "$2"], ["<0.5", "<0.5"], ["3b", "3c"]],
)
def test_a_column_that_begins_like_numbers_is_not_left_out_without_a_word(path: Path, cells: list[str]) -> None:
    write(path, f"t,x,y\n0,1,{cells[0]}\n1,2,\n2,4,{cells[1]}\n")
    with pytest.raises(DataError, match="the column 'y' must hold numbers, but line 2 has .*leave the column out"):
        read_csv(path)
    assert state_names(read_csv(path, states=["x"])) == ["x"]


@pytest.mark.parametrize("label", ["run3", "2024-01-31", "2024-01-31T12:30:00", "31.01.2024 12:30", "1/31/2024", "good"])
def test_labels_and_dates_are_no_states(path: Path, label: str) -> None:
    assert state_names(read_csv(write(path, f"t,x,y\n0,1,{label}\n1,2,{label}\n2,4,2nd try\n"))) == ["x"]


@pytest.mark.parametrize(
    "text",
    [
        "t,x\r\n0,1\r\n1,2\r\n",
        "\ufefft,x\n0,1\n1,2\n",
        "t,x,\n0,1,\n1,2,\n",
        "\nt,x\n\n0,1\n,\n1,2",
        ' t , x \n 0 , 1 \n"1"," 2"\n',
        "t,x\n0,1,,\n1,2\n",
        "t,x\r0,1\r1,2\r",
    ],
)
def test_usual_variants_of_csv_are_read(path: Path, text: str) -> None:
    ds = read_csv(write(path, text))
    np.testing.assert_array_equal(ds["x"].values, [[1, 2]])
    np.testing.assert_array_equal(ds["time"].values, [0, 1])


def test_truth_and_noise_beside_what_was_measured_are_no_states(path: Path) -> None:
    assert state_names(read_csv(write(path, "t,x,x_true,v_true,x_noise_std\n0,1,1.1,3,1\n1,2,2.1,4,2\n"))) == ["x"]
    assert state_names(read_csv(write(path, "t,is_true,y_noise_std\n0,1,3\n1,2,4\n"))) == ["is_true", "y_noise_std"]
    assert state_names(read_csv(path, states=["is_true"])) == ["is_true"]


def test_headers_with_odd_characters_are_names_like_any_other(path: Path) -> None:
    ds = read_csv(write(path, "t,cost $,<script>alert(1)</script>,\"a,b\",Größe,__import__('os')\n0,1,1,1,1,1\n1,2,2,2,2,2\n"))
    assert state_names(ds) == ["cost $", "<script>alert(1)<_script>", "a,b", "Größe", "__import__('os')"]
    assert ds["<script>alert(1)<_script>"].attrs["long_name"] == "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ("", {}, FileFormatError, "is empty; give a line of column names and at least two rows"),
        (" \n\n", {}, FileFormatError, "is empty"),
        (",,\n,,\n", {}, FileFormatError, "has no cell with anything in it"),
        ("t,x\n", {}, DataError, "the table has no rows, only the column names 't', 'x'"),
        ("t,x\n0,1\n", {}, DataError, "trajectory 0 has 1 row with a measured state; at least 2 are needed"),
        ("trajectory,t,x\n0,0,1\n0,1,2\n", {}, DataError, "a column 'trajectory'; if it says .*name it as that"),
        ("t,x\n0,1\n1\n", {}, FileFormatError, "line 3 has 1 cells, but the line of column names has 2; the file may be cut off"),
        ("t,x\n0,1\n1,2,3\n", {}, FileFormatError, "line 3 has 3 cells, but the line of column names has 2"),
        ('t,x\n0,"1\n1,2\n', {}, FileFormatError, "cannot be read as CSV, line 2: .*Look for a quotation mark that is not closed"),
        ("t;x\n0;1\n", {}, FileFormatError, r"seems to be separated by semicolons.*pandas.read_csv\(.*sep=';'\)"),
        ("t;x\n0;1,5\n", {}, FileFormatError, r"semicolons.*pandas.read_csv\(.*sep=';', decimal=','\) and pass the table"),
        ("t\tx\n0\t1\n", {}, FileFormatError, "seems to be separated by tabs"),
        ("0,1\n1,2\n", {}, FileFormatError, "has no line of column names: it begins with '0, 1'"),
        ("t,x,,y\n0,1,2,3\n", {}, FileFormatError, "column 3 has no name; the names are 't', 'x', '', 'y'"),
        ("t,x,x\n0,1,2\n1,2,3\n", {}, DataError, "the column 'x' is there 2 times"),
        ("a,x\n0,1\n1,2\n", {}, DataError, "has no column called t, time, year; say which one is the time. Its columns: 'a', 'x'"),
        ("t,time,x\n0,0,1\n1,1,2\n", {}, DataError, "has several columns that may be the time, 't', 'time'"),
        ("t,x\n0,a\n1,b\n", {}, DataError, "has no column of numbers left to be a state; its columns: 't', 'x'"),
        ("t,x\n0,1\n1,2\n", {"time": "tt"}, DataError, "no column 'tt'.*it has 't', 'x'. Did you mean 't'"),
        ("t,x\n0,1\n1,2\n", {"states": ["y"]}, DataError, r"no column 'y' \(asked for as states\); it has 't', 'x'"),
        ("t,x\n0,1\n1,2\n", {"trajectory": "y"}, DataError, "no column 'y'"),
        ("t,x\n0,1\n\n1,abc\n", {}, DataError, "the column 'x' must hold numbers, but line 4 has 'abc'"),
        ("t,x\n0,1\nsoon,2\n", {}, DataError, "the column 't' must hold numbers, but line 3 has 'soon'"),
        (
            "t,x\n2024-01-01T00:00:00,1\n2024-01-01T00:00:01,2\n",
            {},
            DataError,
            r"line 2 has '2024-01-01T00:00:00'\. Turn dates and clock times into numbers, .* Correct the cell, or remove the row\.$",
        ),
        ("t,x\n12:30,1\n12:31,2\n", {}, DataError, r"line 2 has '12:30'\. Turn dates and clock times into numbers, for example the sec"),
        ("t,x\n0,1\ninf,2\n", {}, DataError, r"infinite value, inf, in line 3 \(1 in all\); correct it, or remove the row"),
        ("t,x\n0,1\n1,inf\n2,-inf\n", {}, DataError, r"infinite value, inf, in line 3 \(2 in all\)"),
        ("t,x\n0,1\n2,2\n1,3\n", {}, DataError, "trajectory 0: time goes backwards in line 4, from 2.0 to 1.0"),
        ("t,x\n0,1\n0,2\n", {}, DataError, r"the time 0.0 is repeated in line 3 \(also in line 2\)"),
        ("t,x\n0,1\n,2\n", {}, DataError, "the time in line 3 is missing"),
        ("t,x,y\n0,1,5\n1,2,5\n", {}, DataError, "the state 'y' is constant: 5.0 in every row"),
        ("t,x\n0,1\n1,2\n", {"units": {"x": "days"}}, DataError, "'x' has the units 'days'.*write 'd'"),
    ],
)
def test_a_file_that_cannot_be_a_record_is_told_by_name_and_line(path: Path, text: str, options: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        read_csv(write(path, text), **options)
    assert str(path) in str(caught.value)


def test_files_that_are_not_there_or_not_text_are_told(path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"there is no file .*run.csv; look at its name and the current folder"):
        read_csv(path)
    with pytest.raises(FileFormatError, match="is a folder; give a CSV file"):
        read_csv(path.parent)
    path.write_bytes(b"t,x in \xb0C\n0,1\n")
    with pytest.raises(FileFormatError, match=r"is not a text file in UTF-8 \(byte 7\)"):
        read_csv(path)
