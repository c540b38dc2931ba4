"""The numbers as tables."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physode.analysis.side_by_side import side_by_side
from physode.comparison import failures, overview, overview_text, summary
from physode.comparison.overview import number
from physode.errors import DataError


def test_summary_is_tidy_and_numeric(tree):
    table = summary(tree)
    assert len(table) == 3 * 2 * 2
    assert table[["model", "seed", "split"]].drop_duplicates().shape[0] == len(table)
    texts = {"model", "split", "status"}
    assert all(np.issubdtype(kind, np.number) for name, kind in table.dtypes.items() if name not in texts)
    row = table[(table.model == "biased") & (table.seed == 1) & (table.split == "test")].iloc[0]
    assert row["rmse_x"] == float(tree["metrics"]["rmse"].sel(model="biased", seed=1, split="test", state="x"))
    assert row["velocity_rmse_v"] == float(tree["metrics"]["velocity_rmse"].sel(model="biased", seed=1, split="test", state="v"))
    assert (row["n_parameters"], row["nfev"], row["seconds"], row["status"]) == (2, 20, 0.25, "converged")
    assert "rmse_v" not in table and table.loc[table.status == "failed", "rmse_x"].isna().all()


def test_counts_are_whole_numbers_where_no_fit_failed(conservative):
    table = summary(conservative)
    assert table["nfev"].dtype == np.int64 and table["n_parameters"].dtype == np.int64


def test_summary_gathers_what_was_found_since(tree):
    keys = [("biased", 0), ("biased", 1)]
    found = side_by_side(
        {
            key: xr.Dataset(
                {
                    "lyapunov_exponent": ("exponent", [key[1] + 0.5, -1.0]),
                    "dimension": ((), 2.0),
                    "path": ("time", np.arange(40.0)),
                    "text": ((), "none"),
                },
                {"exponent": [1, 2]},
            )
            for key in keys
        },
        ["biased"],
        [0, 1],
    )
    table = summary(tree, chaos=found)
    added = [name for name in table if name.startswith("chaos_")]
    assert added == ["chaos_lyapunov_exponent_1", "chaos_lyapunov_exponent_2", "chaos_dimension"]
    rows = table[(table.model == "biased") & (table.split == "test")].set_index("seed")
    assert rows.loc[[0, 1], "chaos_lyapunov_exponent_1"].tolist() == [0.5, 1.5]
    assert table.loc[table.model != "biased", "chaos_dimension"].isna().all()
    with pytest.raises(DataError, match="chaos is over exponent, not over model and seed"):
        summary(tree, chaos=found.isel(model=0, seed=0)[["lyapunov_exponent"]])


def test_summary_of_something_else_is_refused(tree):
    with pytest.raises(DataError, match="has no group /metrics and /models"):
        summary(xr.DataTree())


def test_overview_takes_median_and_range_over_seeds(tree):
    table = overview(tree)
    per_seed = tree["metrics"]["nrmse"].sel(model="biased", split="test", state="x").values
    assert table.loc["biased", ("nrmse", "median")] == pytest.approx(np.median(per_seed), rel=1e-12)
    assert (table.loc["biased", ("nrmse", "min")], table.loc["biased", ("nrmse", "max")]) == (per_seed.min(), per_seed.max())
    assert table.loc["unlucky", ("fits", "done")] == 0 and table.loc["good", ("fits", "done")] == 2 and (table["fits", "all"] == 2).all()
    assert np.isnan(table.loc["unlucky", ("nrmse", "median")])
    assert overview(tree, "train").loc["good", ("nrmse", "median")] != table.loc["good", ("nrmse", "median")]


def test_overview_text_has_a_line_per_model(tree):
    heading, rule, *rows = overview_text(tree).splitlines()
    assert heading.split()[:3] == ["model", "error", "/"] and set(rule) == {"-"}
    assert [row.split()[0] for row in rows] == ["good", "biased", "unlucky"]
    assert [row.split()[-1] for row in rows] == ["2/2", "2/2", "0/2"]
    assert len({len(row.rstrip()) for row in rows}) == 1


def test_failures_are_told_one_by_one(tree):
    assert failures(tree) == [f"unlucky, seed {seed}, failed: RuntimeError: no <b>luck</b>" for seed in (0, 1)]


@pytest.mark.parametrize(("value", "text"), [(0.99987654, "0.99988"), (1.0, "1"), (-0.5, "-0.5"), (123456.0, "1.23e+05"), (np.inf, "inf")])
def test_numbers_keep_what_matters(value, text):
    assert number(value) == text


def test_csv_gives_the_table_back(tree, tmp_path):
    table = summary(tree)
    table.to_csv(tmp_path / "s.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "s.csv"), table, check_dtype=False, rtol=1e-15)
