from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physode.errors import DataError
from physode.trajectories import from_dataframe, read_csv, split, to_dataframe, validate


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {"run": [7, 7, 3, 3], "t": [0, 1, 0, 1], "x": [1, 2, 3, None], "u": [0.5, 0.5, 1.5, 2.5], "remark": list("abcd")}
    ).assign(x=lambda d: d["x"].where(d.index < 3, 4.0))


def test_trajectories_with_the_same_times_make_a_regular_record(table: pd.DataFrame) -> None:
    ds = from_dataframe(table, time="t", states=["x"], trajectory="run", inputs=["u"], units={"t": "h", "x": "m", "u": "V"})
    assert dict(ds.sizes) == {"trajectory": 2, "time": 2}
    assert ds["trajectory"].values.tolist() == [7, 3]  # in the order in which they appear
    np.testing.assert_array_equal(ds["x"].values, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(ds["u"].values, [[0.5, 0.5], [1.5, 2.5]])
    assert ds["time"].attrs == {"long_name": "t", "units": "h"}
    assert ds["x"].attrs == {"long_name": "x", "units": "m", "role": "state"}
    assert ds.attrs["schema"] == "physode/1"


def test_trajectories_with_their_own_times_make_an_irregular_record(table: pd.DataFrame) -> None:
    table = pd.concat([table, pd.DataFrame({"run": [3], "t": [9], "x": [5.0], "u": [0.0]})], ignore_index=True)
    ds = from_dataframe(table, time="t", states=["x"], trajectory="run", inputs=["u"])
    assert dict(ds.sizes) == {"trajectory": 2, "obs": 3}
    np.testing.assert_array_equal(ds["time"].values, [[0, 1, np.nan], [0, 1, 9]])
    np.testing.assert_array_equal(ds["x"].values, [[1, 2, np.nan], [3, 4, 5]])


@pytest.mark.parametrize("listed", [pd.Index, np.array, pd.Series])
def test_names_and_units_may_come_from_pandas_and_numpy(table: pd.DataFrame, listed: type, tmp_path: Path) -> None:
    said = {"units": {"x": "m"}, "roles": {"x": "position"}, "interpolation": {"u": "previous"}}
    expected = from_dataframe(table, time="t", states=["x"], trajectory="run", inputs=["u"], **said)
    options = {"states": listed(["x"]), "inputs": listed(["u"])} | {key: pd.Series(value) for key, value in said.items()}
    table.to_csv(tmp_path / "run.csv", index=False)
    for found in (
        from_dataframe(table, time="t", trajectory="run", **options),
        read_csv(tmp_path / "run.csv", trajectory="run", **options),
    ):
        xr.testing.assert_identical(found.drop_attrs(deep=False), expected.drop_attrs(deep=False))
    with pytest.raises(DataError, match="no column 'y'"):
        from_dataframe(table, time="t", states=listed(["y"]))


def test_no_inputs_may_be_said_by_none(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "run.csv", index=False)
    assert list(from_dataframe(table, time="t", states=["x"], trajectory="run", inputs=None)) == ["x"]
    assert list(read_csv(tmp_path / "run.csv", states=["x"], trajectory="run", inputs=None)) == ["x"]


def test_rows_of_trajectories_may_be_mixed(table: pd.DataFrame) -> None:
    mixed = from_dataframe(table.iloc[[0, 2, 1, 3]], time="t", states=["x"], trajectory="run")
    xr.testing.assert_equal(mixed, from_dataframe(table, time="t", states=["x"], trajectory="run"))


def test_a_missing_value_is_nan_at_a_valid_time() -> None:
    for missing in (None, np.nan, pd.NA, "", "NA", " nan "):
        table = pd.DataFrame({"t": [0.0, 1.0, 2.0], "x": pd.Series([1, missing, 3], dtype=object)})
        ds = from_dataframe(table, time="t", states=["x"])
        np.testing.assert_array_equal(ds["x"].values, [[1, np.nan, 3]])
        np.testing.assert_array_equal(ds["time"].values, [0, 1, 2])


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float32", "Float64", "bool", "uint8"])
def test_any_numeric_column_becomes_float64(dtype: str) -> None:
    ds = from_dataframe(pd.DataFrame({"t": [0, 1], "x": pd.Series([0, 1], dtype=dtype)}), time="t", states=["x"])
    assert ds["x"].dtype == np.float64
    np.testing.assert_array_equal(ds["x"].values, [[0, 1]])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a", "a", "b", "b"], ["a", "b"]),
        ([1.0, 1.0, 2.0, 2.0], [1, 2]),
        (["1", "1", "2", "2"], [1, 2]),
        (["01", "01", "2", "2"], ["01", "2"]),
        ([1.5, 1.5, 2.0, 2.0], ["1.5", "2"]),
        (pd.Categorical(["b", "b", "a", "a"]), ["b", "a"]),
        ([10**20, 10**20, 1, 1], [str(10**20), "1"]),
    ],
)
def test_labels_of_trajectories_are_whole_numbers_or_text(labels: list, expected: list) -> None:
    table = pd.DataFrame({"run": labels, "t": [0, 1, 0, 1], "x": [1.0, 2, 3, 4]})
    ds = from_dataframe(table, time="t", states=["x"], trajectory="run")
    assert ds["trajectory"].values.tolist() == expected
    assert ds["trajectory"].dtype.kind == ("i" if isinstance(expected[0], int) else "U")


def test_a_slash_in_a_label_becomes_an_underscore_and_the_label_is_kept() -> None:
    table = pd.DataFrame({"t (s)": [0, 1], "v (m/s)": [1.0, 2.0], "cost $": [3.0, 4.0], "<script>": [5.0, 6.0]})
    ds = from_dataframe(table, time="t (s)", states=["v (m/s)", "cost $", "<script>"], units={"v (m/s)": "m s-1"})
    assert list(ds.data_vars) == ["v (m_s)", "cost $", "<script>"]
    assert ds["v (m_s)"].attrs == {"long_name": "v (m/s)", "units": "m s-1", "role": "state"}
    assert ds["time"].attrs["long_name"] == "t (s)"
    with pytest.raises(DataError, match="two columns would both be called 'a_b' .a slash becomes an underscore.; rename the column 'a_b'"):
        from_dataframe(pd.DataFrame({"t": [0, 1], "a/b": [1.0, 2], "a_b": [3.0, 4]}), time="t", states=["a/b", "a_b"])


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"time": "Time"}, r"no column 'Time' \(asked for as time\); it has 'run', 't', 'x', 'u', 'remark'\.$"),
        ({}, {"states": ["X"]}, r"no column 'X' \(asked for as states\); it has .*\. Did you mean 'x'\?"),
        ({}, {"trajectory": "ru"}, r"no column 'ru' \(asked for as trajectory\).*Did you mean 'run'\?"),
        ({}, {"inputs": ["w"]}, r"no column 'w' \(asked for as inputs\)"),
        ({}, {"states": []}, "no states were named; the table has the columns 'run', 't', 'x'"),
        ({}, {"states": "x"}, r"states is the text 'x'; give a list of names: states=\['x'\]"),
        ({}, {"inputs": "u"}, r"inputs is the text 'u'"),
        ({}, {"inputs": ["x"]}, "the column 'x' is asked for as states and again as inputs"),
        ({}, {"states": ["remark"]}, "the column 'remark' must hold numbers, but row 1 has 'a'"),
        (
            {"x": [1, 2, "3,5", 4]},
            {},
            "the column 'x' must hold numbers, but row 3 has '3,5'. Use a point, not a comma, before the decimals",
        ),
        ({"x": [1, 2, [3], 4]}, {}, r"must hold numbers, but row 3 has \[3\]"),
        ({"x": [1, 2, 1j, 4]}, {}, "must hold numbers, but row 1 has"),
        ({"x": [1, 2, np.inf, 4]}, {}, r"the column 'x' has an infinite value, inf, in row 3 \(1 in all\)"),
        ({"x": [1, -np.inf, "inf", 4]}, {}, r"infinite value, -inf, in row 2 \(2 in all\)"),
        ({"x": [2, 2, 2, 2]}, {}, "the state 'x' is constant: 2.0 in every row"),
        ({"x": [2, 2, 2, 2], "t": [0, 1, 0, 2]}, {}, "the state 'x' is constant"),
        ({"x": [None] * 4}, {}, "trajectory 7 has 0 rows with a measured state"),
        ({"u": [1, 2, None, 4]}, {"inputs": ["u"]}, r"the input 'u' is missing at trajectory 3, row 1, time 0.0 \(1 in all\)"),
        ({"t": [0, 1, 0, 0]}, {}, r"trajectory 3: the time 0.0 is repeated in row 4 \(also in row 3\); times must be strictly increasing"),
        ({"t": [0, 1, 0.5, 0.25]}, {}, "trajectory 3: time goes backwards in row 4, from 0.5 to 0.25; .* Sort the rows by time.$"),
        (
            {"t": [0, 1, 0, 1]},
            {"trajectory": None},
            "trajectory 0: time goes backwards in row 3, from 1.0 to 0.0.*name the column .* as trajectory",
        ),
        ({"t": [0, None, 0, 1]}, {}, "trajectory 7: the time in row 2 is missing"),
        ({"t": pd.date_range("2020-01-01", periods=4)}, {}, r"the column 't' holds dates; give numbers.*total_seconds"),
        ({"t": pd.to_timedelta([0, 1, 0, 1], unit="s")}, {}, "the column 't' holds time spans; give numbers"),
        (
            {"t": pd.Series(list(np.arange(4).astype("M8[ns]")), dtype=object)},
            {},
            "the column 't' must hold numbers, but row 1 has np.datetime64",
        ),
        (
            {"x": pd.Series(list(np.arange(4).astype("m8[ns]")), dtype=object)},
            {},
            "the column 'x' must hold numbers, but row 1 has np.timedelta64",
        ),
        ({"x": pd.Series(list(1j * np.arange(4)), dtype=object)}, {}, "the column 'x' must hold numbers, but row 1 has np.complex128"),
        ({"run": [7, 7, None, 3]}, {}, "the column 'run' must say to which trajectory each row belongs, but it is empty in row 3"),
        ({"run": [7, 7, 3, 4]}, {}, "trajectory 3 has 1 row with a measured state; at least 2 are needed"),
    ],
)
def test_a_table_that_breaks_the_contract_is_told(table: pd.DataFrame, change: dict, options: dict, message: str) -> None:
    arguments = {"time": "t", "states": ["x"], "trajectory": "run"} | options
    with pytest.raises(DataError, match=message):
        from_dataframe(table.assign(**change), **arguments)


def test_tables_of_the_wrong_kind_are_told(table: pd.DataFrame) -> None:
    with pytest.raises(
        DataError, match=r"a table is a pandas.DataFrame, but this is a dict; for arrays use from_numpy, for files read_csv"
    ):
        from_dataframe({"t": [0, 1]}, time="t", states=["x"])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="the table has no rows"):
        from_dataframe(table.iloc[:0], time="t", states=["x"])
    with pytest.raises(DataError, match="the table has the column 'x' 2 times; rename or remove all but one"):
        from_dataframe(pd.concat([table, table[["x"]]], axis=1), time="t", states=["x"], trajectory="run")


def test_rows_of_a_table_with_an_index_are_named_by_it(table: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"row 2 \(index 'q'\) has 'b'"):
        from_dataframe(table.set_index(pd.Index(list("pqrs"))).assign(x=[1, "b", 2, 3]), time="t", states=["x"], trajectory="run")


def test_to_dataframe_is_tidy_and_numeric(regular: xr.Dataset) -> None:
    table = to_dataframe(regular.assign(gravity=((), 9.81, {"role": "parameter"})))
    assert table.columns.tolist() == ["trajectory", "time", "x", "v", "force"]
    assert table["trajectory"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert table["time"].tolist() == [0, 1, 2, 4, 0, 1, 2, 4]
    assert table["x"].tolist() == [0, 1, 4, 16, 0, -1, -2, -4]
    assert [str(dtype) for dtype in table.dtypes] == ["int64", "float64", "float64", "float64", "float64"]


def test_to_dataframe_leaves_out_padding_and_keeps_missing_values(irregular: xr.Dataset) -> None:
    table = to_dataframe(irregular)
    assert table["trajectory"].tolist() == ["a"] * 3 + ["b"] * 5
    np.testing.assert_array_equal(table["x"], [1, np.nan, 3, 5, 6, 7, 8, 10])
    assert table["time"].tolist() == [0, 1, 2, 0, 0.5, 1, 2, 4]


def test_to_dataframe_carries_the_split(regular: xr.Dataset, irregular: xr.Dataset) -> None:
    assert to_dataframe(split(regular, test=0.5, by="time"))["split"].tolist() == ["train", "train", "test", "test"] * 2
    marks = split(regular, test=0.5, seed=0)["split"].values
    assert to_dataframe(split(regular, test=0.5, seed=0))["split"].tolist() == np.repeat(marks, 4).tolist()
    five = irregular.isel(trajectory=[1])
    assert to_dataframe(split(five, test=0.4, by="time"))["split"].tolist() == ["train"] * 3 + ["test"] * 2


def test_a_record_goes_to_a_table_and_back(regular: xr.Dataset, irregular: xr.Dataset) -> None:
    back = from_dataframe(to_dataframe(regular), time="time", states=["x", "v"], trajectory="trajectory", inputs=["force"])
    xr.testing.assert_equal(back, regular)
    back = from_dataframe(to_dataframe(irregular), time="time", states=["x"], trajectory="trajectory")
    xr.testing.assert_equal(validate(back), irregular)


def test_what_several_models_and_seeds_predicted_has_rows_for_each(table: pd.DataFrame) -> None:
    ds = from_dataframe(table, time="t", states=["x"], trajectory="run")
    several = ds.assign(x=ds["x"] * xr.DataArray([[1.0, 2.0]], {"model": ["a"], "seed": [5, 6]}), truth=ds["x"])
    found = to_dataframe(several)
    assert list(found.columns) == ["model", "seed", "trajectory", "time", "x", "truth"]
    assert found["seed"].tolist() == [5] * 4 + [6] * 4 and set(found["model"]) == {"a"}
    np.testing.assert_array_equal(found["x"], found["truth"] * (found["seed"] - 4))
    assert to_dataframe(ds).equals(found.loc[found["seed"] == 5, ["trajectory", "time", "x"]])
