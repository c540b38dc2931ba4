"""Many models, many seeds: what is held out, what is kept, what failed."""

import shutil
import warnings

import numpy as np
import pytest
import xarray as xr
from fake_models import LinearOscillator

import physode
from physode.comparison import compare, open_result, overview, summary
from physode.comparison.forecast import with_split
from physode.comparison.trust import trust
from physode.errors import DataError, ExistsError, PhysodeError, UnknownNameError
from physode.trajectories import select_split, split, state_names


def equal(one, two):
    """Whether all values are equal, bit for bit; only the dates in the history may differ."""
    return set(one.children) == set(two.children) and all(one[name].to_dataset().equals(two[name].to_dataset()) for name in one.children)


def test_groups_and_coordinates(tree, record):
    assert set(tree.children) == {
        "observations",
        "truth",
        "parameters",
        "predictions",
        "vector_field",
        "velocity",
        "training",
        "metrics",
        "models",
    }
    predictions = tree["predictions"].to_dataset()
    assert predictions["x"].dims == ("model", "seed", "trajectory", "time")
    assert predictions["time"].values.tobytes() == record["time"].values.tobytes()
    assert predictions["model"].values.tolist() == ["good", "biased", "unlucky"] and predictions["seed"].values.tolist() == [0, 1]
    assert (tree["observations"]["split"] == "test").sum() == 1
    xr.testing.assert_equal(tree["truth"]["v"].drop_vars("split"), record["v_true"].rename("v"))
    assert float(tree["parameters"]["omega"]) == 1.0


def test_metrics_are_those_of_the_stored_predictions(tree):
    record = tree["observations"].to_dataset()
    for part in ("train", "test"):
        data = select_split(record, part)
        made = tree["predictions"].to_dataset().sel(model="biased", seed=1, trajectory=data["trajectory"].values)
        true, found = data["v_true"].values.ravel(), made["v"].values.ravel()
        if part == "test":  # a forecast is judged by what it was not shown
            data, made = data.isel(time=slice(11, None)), made.isel(time=slice(11, None))
        error = float(np.sqrt(((made["x"] - data["x"]) ** 2).mean()))
        scores = tree["metrics"].to_dataset().sel(model="biased", seed=1, split=part)
        assert float(scores["rmse"].sel(state="x")) == pytest.approx(error, rel=1e-12)
        assert float(scores["nrmse"].sel(state="x")) == pytest.approx(error / float(record["x"].std()), rel=1e-12)
        assert float(scores["r2"].sel(state="x")) == pytest.approx(1 - error**2 / float(data["x"].var()), rel=1e-12)
        assert float(scores["rmse_truth"].sel(state="x")) == pytest.approx(
            float(np.sqrt(((made["x"] - data["x_true"]) ** 2).mean())), rel=1e-12
        )
        assert float(scores["velocity_correlation"].sel(state="v")) == pytest.approx(np.corrcoef(true, found)[0, 1], rel=1e-9)
        assert float(scores["velocity_rmse"].sel(state="v")) == pytest.approx(np.sqrt(np.mean((true - found) ** 2)), rel=1e-9)


def test_vector_field_is_that_of_the_predictions(tree):
    made = tree["predictions"].to_dataset().sel(model="good", seed=0)
    slopes = tree["vector_field"].to_dataset().sel(model="good", seed=0)
    np.testing.assert_allclose(slopes["dx_dt"], made["v"], rtol=1e-12)


def test_energy_is_followed_for_ten_times_the_record(conservative):
    tree = conservative
    energy = tree["energy"].to_dataset().sel(model="biased", seed=0)
    drift = float(np.abs((energy["energy"] - energy["energy"].isel(time=0)) / energy["scale"]).max())
    assert float(tree["metrics"]["energy_drift"].sel(model="biased", seed=0)) == pytest.approx(drift, rel=1e-9)
    assert float(energy["time"].max()) == pytest.approx(80.0)
    assert float(tree["metrics"]["energy_drift"].sel(model="good", seed=0)) < drift


def test_a_failed_fit_is_a_status_with_its_message(tree):
    facts = tree["models"].to_dataset().sel(model="unlucky", seed=0)
    assert (facts["status"].item(), facts["message"].item()) == ("failed", "RuntimeError: no <b>luck</b>")
    assert np.isnan(tree["predictions"]["x"].sel(model="unlucky")).all()
    assert tree["models"]["status"].sel(model="good").values.tolist() == ["converged", "converged"]


def test_training_is_kept_epoch_by_epoch(tree):
    training = tree["training"].to_dataset().sel(model="good", seed=1)
    assert training["loss"].values.tolist() == [1.0, 1.1] and training["stage"].values.tolist() == ["start", "end"]


def test_only_the_training_part_is_fitted(record):
    spoiled = split(record, by="trajectory", test=0.2)
    held_out = spoiled["split"] == "test"
    spoiled = spoiled.assign(x=spoiled["x"].where(~held_out, 7.0).assign_attrs(spoiled["x"].attrs))
    clean = compare({"m": LinearOscillator()}, split(record, by="trajectory", test=0.2), seeds=1, workers=1)
    other = compare({"m": LinearOscillator()}, spoiled, seeds=1, workers=1)
    keep = clean["observations"]["trajectory"].values[(clean["observations"]["split"] == "train").values]
    xr.testing.assert_identical(clean["predictions"]["x"].sel(trajectory=keep), other["predictions"]["x"].sel(trajectory=keep))


def test_held_out_trajectories_start_from_their_first_quarter_only(record):
    marked = split(record, by="trajectory", test=0.2)
    late = marked["time"] > marked["time"].max() / 2
    spoiled = marked.assign(x=marked["x"].where(~(late & (marked["split"] == "test")), 7.0).assign_attrs(marked["x"].attrs))
    one, two = (compare({"m": LinearOscillator()}, ds, seeds=1, workers=1)["predictions"]["x"].values for ds in (marked, spoiled))
    np.testing.assert_array_equal(one, two)


def test_a_held_out_trajectory_may_begin_with_a_gap(record):
    split = with_split(record)
    label = int(split["trajectory"].values[split["split"].values == "test"][0])
    gap = split.copy(deep=True)
    n = gap.sizes["time"]
    for name in state_names(gap):
        gap[name].loc[{"trajectory": label}] = np.where(np.arange(n) < n // 2, np.nan, gap[name].sel(trajectory=label))
    tree = physode.compare({"a": physode.NeuralODE(hidden=(2,), max_iterations=1)}, gap, seeds=1, workers=1)
    assert tree["models"]["status"].item() != "failed" and bool(np.isfinite(tree["metrics"]["rmse"].sel(state="x")).all())


def test_a_short_record_is_split_in_time_and_forecast_without_a_look(record):
    few = record.isel(trajectory=slice(2))
    tree = compare({"m": LinearOscillator()}, few, seeds=1, workers=1)
    part = tree["observations"]["split"]
    assert part.dims == ("time",) and part.values.tolist() == ["train"] * 31 + ["test"] * 10
    spoiled = few.assign(x=few["x"].where(xr.DataArray(part.values == "train", dims="time"), 7.0).assign_attrs(few["x"].attrs))
    other = compare({"m": LinearOscillator()}, spoiled, seeds=1, workers=1)
    np.testing.assert_array_equal(tree["predictions"]["x"].values, other["predictions"]["x"].values)
    assert float(tree["metrics"]["rmse"].sel(split="test", state="x").max()) < 0.1


def test_irregular_records_are_compared_too(record):
    time = np.sort(np.random.default_rng(0).uniform(0, 8, (6, 30)), axis=1)
    x = np.cos(time) + 0.2
    padded = time.copy()
    padded[0, 25:], x[0, 25:] = np.nan, np.nan
    ds = xr.Dataset(
        {"x": (("trajectory", "obs"), x, {"role": "position", "units": "m"})},
        {"trajectory": np.arange(6), "time": (("trajectory", "obs"), padded, {"units": "s"})},
    )

    class Steady(LinearOscillator):
        def predict(self, ds, warmup=None):
            z = np.stack([np.cos(ds["time"].values), -np.sin(ds["time"].values)], axis=-1)
            return self._dataset(z, ds)

        def fit(self, ds, seed=0, **_):
            return super().fit(record, seed)

    tree = compare({"m": Steady()}, ds, seeds=1)
    assert float(tree["metrics"]["rmse"].sel(state="x", split="test").max()) == pytest.approx(0.2)


def test_truth_may_be_given_beside_a_measured_record(record):
    measured = record[["x"]].assign_attrs({})
    measured.attrs = {}
    alone = compare({"m": LinearOscillator()}, measured, seeds=1, workers=1)
    assert "truth" not in alone.children and "velocity_rmse" not in alone["metrics"].data_vars
    beside = compare({"m": LinearOscillator()}, measured, seeds=1, workers=1, truth=record)
    assert {"truth", "velocity"} <= set(beside.children)
    shifted = record.assign_coords(time=record["time"] + 0.1)
    with pytest.raises(DataError, match="the truth and the record differ in 'time'"):
        compare({"m": LinearOscillator()}, measured, seeds=1, workers=1, truth=shifted)


def test_a_forecast_that_runs_away_is_no_missing_number(record):
    away, known = LinearOscillator(trouble="away"), LinearOscillator()
    tree = compare({"known": known, "some": away}, record, seeds=[0, 1], workers=1)
    assert np.isinf(tree["metrics"]["nrmse"].sel(model="some", seed=1, split="test", state="x"))
    table = overview(tree)
    assert np.isfinite(table.loc["known", ("nrmse", "max")]) and np.isinf(table.loc["some", ("nrmse", "max")])
    known, some = trust(tree)
    assert known.level != "poor" == some.level
    assert "Its forecast of held-out data fails: it runs away." in some.sentences


def test_what_a_fit_warns_of_is_kept_with_it(record):
    tree = compare({"m": LinearOscillator(trouble="warn")}, record, seeds=1, workers=1)
    assert tree["models"]["warnings"].item() == "the data are thin"


def test_bad_questions_are_refused(record):
    with pytest.raises(UnknownNameError, match="unknown model 'sonod'; did you mean 'sonode'"):
        compare(["sonod"], record)
    with pytest.raises(PhysodeError, match="no model was named; choose from: anode"):
        compare([], record)
    for seeds, found in ((0, "seeds is 0; give a whole number, 1 or more, or different ones"), ([1, 1], r"the seeds are \[1, 1\]; give")):
        with pytest.raises(PhysodeError, match=found):
            compare({"m": LinearOscillator()}, record, seeds=seeds)
    with pytest.raises(PhysodeError, match="seed is -1; give a whole number, 0 or more"):
        compare({"m": LinearOscillator()}, record, seeds=[-1])
    with pytest.raises(PhysodeError, match="two of the models have one name, of 1, '1'"):
        compare({1: LinearOscillator(), "1": LinearOscillator()}, record)
    with pytest.raises(PhysodeError, match="'m' is the class LinearOscillator; give a model"):
        compare({"m": LinearOscillator}, record)
    with pytest.raises(DataError, match="'lorenz' moves x, y, z, and the record holds q; give its own system"):
        compare({"m": LinearOscillator()}, record.rename(x="q"), truth=physode.systems.get("lorenz"))
    with pytest.raises(DataError, match="lyapunov=True is for fields by themselves, and the models of this record are driven by force"):
        compare({"m": LinearOscillator()}, record.assign(force=(2 * record["x"]).assign_attrs(role="input")), seeds=1, lyapunov=True)
    with pytest.raises(DataError, match="has no dimension 'trajectory'"):
        compare({"m": LinearOscillator()}, xr.Dataset(), seeds=1)
    with pytest.raises(DataError, match="marks 'train' and 'validation'; a comparison needs 'train' and 'test'"):
        compare({"m": LinearOscillator()}, record.assign_coords(split=("trajectory", ["train"] * 4 + ["validation"] * 2)), seeds=1)


# In a folder


@pytest.fixture(scope="session")
def made(tmp_path_factory, record, models):
    folder = tmp_path_factory.mktemp("made") / "run"
    return folder, compare(models, record, seeds=2, workers=1, directory=folder)


@pytest.fixture
def folder(tmp_path, made):
    shutil.copytree(made[0], tmp_path / "run")
    return tmp_path / "run"


def test_folder_holds_the_result_the_table_and_the_models(folder, tree, made):
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and "cells" not in path.parts}
    assert names == {"result.nc", "summary.csv", "files.json", *(f"models/{m}-{s}.safetensors" for m in ("good", "biased") for s in (0, 1))}
    read = open_result(folder)
    assert all(made[1][name].to_dataset().identical(read[name].to_dataset()) for name in tree.children)
    assert equal(read, tree)
    assert (folder / "summary.csv").read_text() == summary(tree).to_csv(index=False)
    assert len(list((folder / "cells").iterdir())) == 4


def test_a_finished_result_is_left_alone_without_force(folder, record, models):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ExistsError, match="holds a finished result and was left alone"):
        compare(models, record, seeds=2, workers=1, directory=folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


class Counted(LinearOscillator):
    fitted = 0

    def fit(self, *args, **kwargs):
        type(self).fitted += 1
        return super().fit(*args, **kwargs)


def test_what_is_finished_is_not_fitted_again(tmp_path, record):
    run = lambda seeds, **more: compare({"m": Counted()}, record, seeds=seeds, workers=1, directory=tmp_path / "run", **more)  # noqa: E731
    Counted.fitted = 0
    run(1)
    assert Counted.fitted == 1
    run(2, force=True)
    assert Counted.fitted == 2
    shutil.rmtree(tmp_path / "run" / "models")
    (tmp_path / "run" / "result.nc").unlink()
    tree = compare({"other name": Counted()}, record, seeds=2, workers=1, directory=tmp_path / "run")
    assert Counted.fitted == 2 and tree["models"]["status"].values.tolist() == [["converged"] * 2]


def test_a_damaged_cell_is_set_aside_and_made_again(folder, record, models, tree):
    victim = sorted((folder / "cells").iterdir())[0]
    content = bytearray((victim / "cell.nc").read_bytes())
    content[len(content) // 2] ^= 1
    (victim / "cell.nc").write_bytes(content)
    with pytest.warns(UserWarning, match=rf"is damaged \(cell.nc is not what was written\); it was moved to .*{victim.name}"):
        again = compare(models, record, seeds=2, workers=1, directory=folder, force=True)
    assert equal(again, tree)
    (aside,) = (folder / "cells" / "quarantine").iterdir()
    assert (aside / "cell.nc").read_bytes() == bytes(content)


def test_force_never_touches_what_is_not_ours(folder, record, models, tmp_path):
    (folder / "notes.txt").write_text("mine")
    (folder / "models" / "mine.safetensors").write_text("mine")
    (folder / "models" / "good-0.safetensors").write_text("changed by hand")
    with pytest.raises(ExistsError, match=r"good-0.safetensors was not written by physode, or was changed since"):
        compare(models, record, seeds=2, workers=1, directory=folder, force=True)
    (folder / "models" / "good-0.safetensors").unlink()
    compare({"good": models["good"]}, record, seeds=1, workers=1, directory=folder, force=True)
    assert (folder / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["good-0.safetensors", "mine.safetensors"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    with pytest.raises(ExistsError, match=r"exists and holds something else \(thesis.tex\)"):
        compare(models, record, directory=other)
    with pytest.raises(ExistsError, match="is a file"):
        compare(models, record, directory=other / "thesis.tex")


@pytest.mark.slow
def test_processes_give_the_same_numbers(tmp_path, record, models, tree):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel = compare(models, record, seeds=2, workers=2)
    assert equal(parallel, tree)


def test_a_model_of_the_running_script_is_fitted_here(record):
    class Local(LinearOscillator):
        pass

    assert compare({"m": Local()}, record, seeds=2, workers=2)["models"]["status"].values.tolist() == [["converged", "converged"]]


def test_names_that_no_file_can_have(tmp_path, record):
    labels = ["../../etc/passwd", "a/b", "a:b", ".hidden"]
    compare({label: LinearOscillator() for label in labels}, record, seeds=1, workers=1, directory=tmp_path / "run")
    names = sorted(path.name for path in (tmp_path / "run" / "models").iterdir())
    assert len(names) == len(labels) and not any(name.startswith(".") for name in names)
    assert list(tmp_path.iterdir()) == [tmp_path / "run"]
    assert open_result(tmp_path / "run")["models"]["model"].values.tolist() == labels
