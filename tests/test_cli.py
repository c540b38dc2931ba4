"""The program: what it writes, and how it tells what went wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

import physode
from physode import datasets, systems, trajectories
from physode.cli import app
from physode.comparison import open_result
from physode.errors import DataError, FitError
from physode.systems.dop853 import integrate_dop853
from physode.training.stages import Stages

QUICK = ["--trajectories", "5", "--points", "20", "--duration", "4", "--seeds", "1", "--workers", "1"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == code, (done.output, done.exception)
        return done.stdout if code == 0 else done.stderr

    return call


def refused(run, *arguments):
    """Run what must fail, and return the one line that says why."""
    text = run(*arguments, code=2)
    assert text.startswith("physode: ") and "Traceback" not in text
    return text


def test_simulate_writes_what_was_asked_for(run, tmp_path):
    drawn = ["--trajectories", "3", "--points", "11", "--duration", "2", "--parameter", "gravity=1.62", "--seed", "4"]
    run("simulate", "pendulum", "-o", "p.nc", "--observe", "theta", "--noise", "0.1", *drawn)
    found = trajectories.read(tmp_path / "p.nc")
    expected = systems.get("pendulum", gravity=1.62).simulate(np.linspace(0, 2, 11), n_trajectories=3, observe=["theta"], noise=0.1, seed=4)
    xr.testing.assert_equal(found, expected)
    run("simulate", "pendulum", "-o", "r.nc", "--observe", "theta", "--noise", "0.1", "--noise-model", "relative")
    record = trajectories.read(tmp_path / "r.nc")
    assert float(record["theta_noise_std"]) == pytest.approx(0.1 * float(record["theta_true"].std()), rel=1e-6)
    run("simulate", "lorenz-96", "-o", "l.nc", "--parameter", "cells=6", "--points", "5", "--duration", "0.1")
    assert "x6" in trajectories.read(tmp_path / "l.nc") and "x7" not in trajectories.read(tmp_path / "l.nc")
    run("simulate", "pendulum", "-o", "p.csv", "--trajectories", "2", "--points", "5")
    assert list(pd.read_csv(tmp_path / "p.csv").columns)[:2] == ["trajectory", "time"]


def test_simulate_says_what_a_table_holds_and_its_truth_is_not_fitted(run, tmp_path):
    drawn = ["--trajectories", "2", "--points", "5"]
    told = run("simulate", "pendulum", "-o", "p.csv", "--observe", "theta", "--noise", "0.1", *drawn)
    kept = "p.csv: theta, theta_true, omega_true (2 trajectory, 5 time); a table holds no units, nor theta_noise_std, gravity, length"
    assert kept in " ".join(told.split())
    assert trajectories.state_names(trajectories.read_csv(tmp_path / "p.csv", trajectory="trajectory")) == ["theta"]


@pytest.mark.filterwarnings("always::physode.errors.SimulationWarning")
def test_a_warning_is_one_plain_sentence_and_its_advice_can_be_taken(run, tmp_path, monkeypatch):
    monkeypatch.setattr("physode.systems.simulation.integrate_dop853", partial(integrate_dop853, max_steps=3))
    done = CliRunner().invoke(app, ["simulate", "lorenz", "--trajectories", "2", "-o", "a.nc"])
    assert done.exit_code == 0
    (told,) = done.stderr.splitlines()
    assert told.startswith("physode: trajectory 0 of lorenz could not be carried beyond time 0.")
    assert "(1 more trajectory failed: 1). To go on, end earlier, or, " in told and "--method Radau" in told
    run("simulate", "lorenz", "--trajectories", "2", "--duration", "0.1", "--method", "Radau", "-o", "b.nc")
    found = trajectories.read(tmp_path / "b.nc")
    assert found.attrs["solver"] == "Radau" and np.isfinite(found["x"]).all()
    assert "unknown method 'radau'; did you mean 'Radau'" in refused(run, "simulate", "lorenz", "--method", "radau", "-o", "c.nc")


def test_an_existing_file_is_left_alone_without_force(run, tmp_path):
    (tmp_path / "p.nc").write_text("mine")
    told = refused(run, "simulate", "pendulum", "-o", "p.nc")
    assert "exists already and was left alone; choose another name, or replace it with overwrite=True (--force)" in told
    assert (tmp_path / "p.nc").read_text() == "mine"
    run("simulate", "pendulum", "-o", "p.nc", "--force", "--points", "5")
    assert trajectories.read(tmp_path / "p.nc").sizes["time"] == 5


def test_lists(run):
    assert set(systems.names()) <= set(run("systems").split())
    assert "\nhudson-bay\n  title     Hare and lynx pelts of the" in run("datasets")
    assert "\n  available yes\n" in run("datasets") and max(map(len, run("datasets").splitlines())) <= 100
    assert "interpretability-2d" in run("study", "list")


BAD = {
    "unknown data": (["compare", "pendulm", "-o", "out"], "did you mean 'pendulum'.*Data sets: .*hudson-bay.*Systems: .*lorenz"),
    "no such file": (["compare", "missing.csv", "-o", "out"], "there is no file missing.csv"),
    "other kind of file": (["compare", "a.xlsx", "-o", "out"], "neither a .csv nor a .nc file"),
    "unknown model": (["compare", "pendulum", "--models", "sonod", "-o", "out"], "unknown model 'sonod'; did you mean 'sonode'"),
    "unknown model to fit": (["fit", "pendulum", "--model", "sonod", "-o", "out"], "unknown model 'sonod'; did you mean 'sonode'"),
    "unknown system": (["simulate", "lorentz", "-o", "a.nc"], "unknown system 'lorentz'; did you mean 'lorenz'"),
    "unknown state": (["compare", "pendulum", "--observe", "thetta", "-o", "out"], "thetta.*theta"),
    "unknown parameter": (["simulate", "pendulum", "--parameter", "g=1", "-o", "a.nc"], "gravity"),
    "parameter not a number": (["simulate", "pendulum", "--parameter", "gravity=big", "-o", "a.nc"], "gravity=big is not a number"),
    "no equals sign": (["simulate", "pendulum", "--parameter", "gravity", "-o", "a.nc"], "'gravity' is not of the form NAME=VALUE"),
    "parameter twice": (["simulate", "lorenz", *"--parameter rho=28 --parameter rho=20 -o a.nc".split()], "rho twice, '28' and '20'"),
    "unit twice": (["fit", "a.csv", *"--model node --unit x=m --unit x=cm -o out".split()], "--unit gives x twice, 'm' and 'cm'"),
    "no duration": (["simulate", "pendulum", "--duration", "0", "-o", "a.nc"], "--duration is 0; give a positive time"),
    "endless": (["simulate", "pendulum", "--duration", "inf", "-o", "a.nc"], "--duration is inf; give a positive time"),
    "other suffix": (["simulate", "pendulum", "-o", "a.txt"], "ends with neither .nc nor .csv"),
    "no folder": (["simulate", "pendulum", "-o", "no/where.nc"], "there is no folder no"),
    "no model file": (["predict", "m.safetensors", "pendulum", "-o", "a.nc"], "m.safetensors"),
    "no result": (["report", "nowhere"], "nowhere is not there"),
    "unknown study": (["study", "run", "interpretability"], "unknown study 'interpretability'; did you mean 'interpretability-2d'"),
    "lyapunov of nothing": (["lyapunov", "lorentz"], "unknown system 'lorentz'; did you mean 'lorenz'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_questions_get_a_plain_answer(run, tmp_path, case):
    (tmp_path / "a.xlsx").write_text("x")
    arguments, words = BAD[case]
    text = refused(run, *arguments)
    assert re.search(words, text), text
    assert not (tmp_path / "out").exists() and not (tmp_path / "a.nc").exists()


@pytest.mark.parametrize("command", ["simulate pendulum -o a.nc", "lyapunov pendulum", "fit pendulum --model node -o out"])
def test_a_negative_seed_is_refused(run, tmp_path, command):
    assert "Invalid value for '--seed'" in run(*command.split(), "--seed", "-3", code=2)
    assert not list(tmp_path.iterdir())


TABLES = {
    "missing column": ("t,x\n0,1\n1,2\n2,4\n", ["--states", "y"], "y"),
    "text": ("t,x\n0,1\n1,two\n2,4\n", ["--states", "x"], "two"),
    "time goes back": ("t,x\n0,1\n2,2\n1,4\n", [], "increas|back"),
    "time repeats": ("t,x\n0,1\n1,2\n1,4\n", [], "twice|repeat|increas"),
    "infinite": ("t,x\n0,1\n1,inf\n2,4\n", [], "inf"),
    "single row": ("t,x\n0,1\n", [], "row|two"),
    "constant": ("t,x\n" + "".join(f"{i},1\n" for i in range(20)), [], "constant|change"),
    "empty": ("", [], "is empty"),
    "held, but no input": ("t,x,u\n0,1,0\n1,2,1\n2,4,0\n", ["--held", "v", "--inputs", "u"], "--held names v, which is no input"),
    "held without inputs": ("t,x,u\n0,1,0\n1,2,1\n2,4,0\n", ["--held", "u"], "name all inputs as well: --inputs u --held u"),
    "three rows": ("t,x\n0,1\n1,2\n2,4\n", [], "takes at least 4 times, and trajectory 0 has 3; give longer trajectories, or at least 5"),
}


@pytest.mark.parametrize("case", TABLES)
def test_bad_tables_get_a_plain_answer_and_leave_nothing(run, tmp_path, case):
    text, options, words = TABLES[case]
    (tmp_path / "run.csv").write_text(text)
    told = refused(run, "compare", "run.csv", "--models", "node", "--seeds", "1", "-o", "out", "--workers", "1", *options)
    assert re.search(words, told), told
    assert not (tmp_path / "out" / "result.nc").exists()
    assert (tmp_path / "run.csv").read_text() == text


def test_an_input_is_held_where_that_is_said(run, tmp_path):
    """From rest, pushed at t = 0 for one unit of time, sampled once a unit: x = t^2 / 2, and then t - 1 / 2."""
    t = np.linspace(0.0, 3.0, 13)
    x = np.where(t < 1, t**2 / 2, t - 0.5)
    u = {0.0: 1, 1.0: 0, 2.0: 0, 3.0: 0}
    (tmp_path / "run.csv").write_text("t,x,u\n" + "".join(f"{a},{b},{u.get(a, '')}\n" for a, b in zip(t, x, strict=True)))
    run("fit", "run.csv", "--model", "sonode", "--states", "x", "--inputs", "u", "--held", "u", "-o", "out")
    found = trajectories.read(tmp_path / "out" / "prediction.nc")["x"].values[0]
    np.testing.assert_allclose(found, x, atol=0.01)


def test_a_fit_says_which_states_and_inputs_it_takes(run, tmp_path, monkeypatch):
    monkeypatch.setattr("physode.models.base.train", lambda *_, **__: (_ for _ in ()).throw(FitError("it cannot be; try another")))
    oscillation(tmp_path)
    for options, states in (([], "x, v"), (["--states", "x"], "x"), (["--inputs", "v"], "x; inputs: v")):
        done = CliRunner().invoke(app, ["fit", "run.csv", "--model", "node", "-o", "out", *options])
        assert done.stdout == f"states: {states}\n"


def test_errors_that_are_not_ours_are_not_hidden(run, monkeypatch):
    monkeypatch.setattr(systems, "names", lambda: 1 / 0)
    assert isinstance(CliRunner().invoke(app, ["systems"]).exception, ZeroDivisionError)
    monkeypatch.setattr(systems, "names", lambda: (_ for _ in ()).throw(DataError("x is bad; do this")))
    done = CliRunner().invoke(app, ["systems"])
    assert (done.exit_code, done.stderr) == (2, "physode: x is bad; do this\n")
    monkeypatch.setattr(systems, "names", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    done = CliRunner().invoke(app, ["systems"])
    assert (done.exit_code, done.stderr) == (130, "physode: interrupted.\n")
    monkeypatch.setattr(datasets, "names", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    done = CliRunner().invoke(app, ["compare", "pendulum", "-o", "out"])
    assert done.exit_code == 130 and "the same command goes on from there" in done.stderr


def oscillation(tmp_path):
    t = np.linspace(0.0, 6.0, 40)
    pd.DataFrame({"t": t, "x": np.cos(t), "v": -np.sin(t)}).to_csv(tmp_path / "run.csv", index=False)


def test_what_a_prediction_is_made_from_is_never_overwritten(run, tmp_path):
    oscillation(tmp_path)
    record = trajectories.read_csv(tmp_path / "run.csv")
    physode.NeuralODE(hidden=(2,), max_iterations=2).fit(record).save(tmp_path / "model.safetensors")
    before = (tmp_path / "run.csv").read_bytes()
    for output in ("run.csv", tmp_path / "run.csv", "model.safetensors"):
        text = refused(run, "predict", "model.safetensors", "run.csv", "-o", output, "--force")
        assert "is what the prediction is made from; choose another name" in text
    assert (tmp_path / "run.csv").read_bytes() == before
    run("predict", "model.safetensors", "run.csv", "-o", "p.csv")
    run("predict", "model.safetensors", "run.csv", "-o", "p.csv", "--force")


def test_where_a_result_cannot_be_written_nothing_is_fitted(run, tmp_path, monkeypatch):
    oscillation(tmp_path)
    monkeypatch.setattr(physode.NeuralODE, "fit", lambda *_, **__: pytest.fail("it was fitted"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "prediction.nc").write_text("mine")
    assert "was not written by physode" in refused(run, "fit", "run.csv", "--model", "node", "-o", "full", "--force")
    for command in (["fit", "run.csv", "--model", "node"], ["compare", "run.csv", "--models", "node", "--seeds", "1"]):
        assert "No such file or directory" in refused(run, *command, "-o", "/proc/nowhere")


def test_a_finished_fit_is_left_alone_and_told_as_such(run, tmp_path):
    (tmp_path / "run.csv").write_text("t,x,u\n" + "".join(f"{t},{np.exp(-t)},{t % 2}\n" for t in range(8)))
    fit = ["fit", "run.csv", "--model", "node", "--inputs", "u", "-o", "out"]
    run(*fit)
    assert "out holds a finished result and was left alone; choose another folder, or replace it with force (--force)" in refused(run, *fit)
    told = refused(run, "predict", "out/model.safetensors", "run.csv", "-o", "p.csv")
    assert "is driven by u; say which columns of run.csv that is: --inputs u" in told
    run("predict", "out/model.safetensors", "run.csv", "-o", "p.csv", "--inputs", "u")
    run(*fit, "--force")


def test_a_fit_whose_time_is_spent_goes_on_from_its_checkpoint(run, tmp_path, monkeypatch):
    oscillation(tmp_path)
    given = {}
    fit = physode.NeuralODE.fit

    def keep(model, record, **options):
        given.update(options)
        return fit(model, record, **options)

    monkeypatch.setattr(physode.NeuralODE, "fit", keep)
    command = ["fit", "run.csv", "--model", "node", "-o", "out", "--checkpoint", "begun"]
    told = refused(run, *command, "--time-budget", "1e-6")
    assert "the time budget was spent before the first step of the fit" in told and given["time_budget"] == 1e-6
    assert (tmp_path / "begun").exists() and not list((tmp_path / "out").iterdir())
    assert run(*command).startswith("states: x, v\nconverged, a success: ")
    assert str(given["checkpoint"]) == "begun" and given["time_budget"] is None
    assert "that of another fit, of another seed" in refused(run, *command, "--seed", "1", "--force")


def test_an_interrupted_fit_says_so_by_its_status(run, tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    oscillation(tmp_path)
    for stage, folder, written in (("refine", "some", True), ("warm_start", "none", False)):
        with monkeypatch.context() as patch:
            patch.setattr(Stages, stage, interrupt)
            run("fit", "run.csv", "--model", "node", "-o", folder, code=130)
        assert (tmp_path / folder / "model.safetensors").exists() == written
    run("fit", "run.csv", "--model", "node", "-o", "whole")
    monkeypatch.setattr(physode.NeuralODE, "predict", lambda *_: interrupt(None))
    run("fit", "run.csv", "--model", "node", "-o", "whole", "--force", code=130)
    left = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {"model.safetensors", "training.csv"} <= left and "prediction.nc" not in left  # rather than that of another fit


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("fit hudson-bay --model node --states hare -o out", "--states is for CSV files, and hudson-bay is a data set; leave it out"),
        ("fit pendulum --model node --inputs theta -o out", "--inputs is for CSV files, and pendulum is a system"),
        ("fit run.csv --model node --noise 0.1 -o out", "--noise is for systems that are simulated, and run.csv is a file"),
        ("compare run.csv --models node --duration 2 -o out", "--duration is for systems"),
        ("fit run.nc --model node --time t -o out", "--time is for CSV files, and run.nc is a netCDF file"),
        ("lyapunov model.safetensors --parameter rho=3", "--parameter is for systems, and model.safetensors is a model"),
    ],
)
def test_options_that_say_nothing_about_the_data_are_refused(run, tmp_path, command, message):
    oscillation(tmp_path)
    trajectories.write(trajectories.read_csv(tmp_path / "run.csv"), tmp_path / "run.nc")
    assert message in refused(run, *command.split())
    assert not (tmp_path / "out").exists()


def test_a_quick_program_does_not_load_torch():
    calls = ["import sys", "from typer.testing import CliRunner", "from physode.cli import app", "CliRunner().invoke(app, ['systems'])"]
    code = "; ".join([*calls, "print('torch' in sys.modules)"])
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_reader_that_leaves_is_no_error():
    """As `head -1` does."""
    program = [sys.executable, "-c", "from physode.cli import app; app()", "systems"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.stderr.read() == b""


@pytest.mark.slow
def test_main_job_leaves_a_whole_folder_and_then_leaves_it_alone(run, tmp_path):
    job = ["compare", "damped-oscillator", "--observe", "x", "--models", "sonode,node", *QUICK, "-o", "out"]
    shown = run(*job)
    assert "sonode" in shown and "1/1" in shown and "report.html" in shown
    names = {
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file() and "cells" not in path.parts
    }
    assert {
        "result.nc",
        "summary.csv",
        "report.html",
        "models/sonode-0.safetensors",
        "models/node-0.safetensors",
        "figures/trajectories-1.svg",
    } <= names
    tree = open_result(tmp_path / "out")
    assert float(tree["metrics"]["r2"].sel(model="sonode", split="test", state="x").min()) > 0.99
    assert pd.read_csv(tmp_path / "out" / "summary.csv")["model"].tolist() == ["sonode"] * 2 + ["node"] * 2
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert "holds a finished result and was left alone" in refused(run, *job)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    run(*job, "--force")
    run(
        "predict",
        "out/models/sonode-0.safetensors",
        "damped-oscillator",
        "-o",
        "more.nc",
        "--trajectories",
        "2",
        "--points",
        "20",
        "--duration",
        "8",
    )
    assert trajectories.read(tmp_path / "more.nc").sizes["trajectory"] == 2


@pytest.mark.slow
def test_fit_a_table_and_predict_with_the_model(run, tmp_path):
    time = np.linspace(0, 6, 40)
    pd.DataFrame({"t": time, "x": np.cos(time)}).to_csv(tmp_path / "run.csv", index=False)
    shown = run("fit", "run.csv", "--model", "sonode", "--unit", "x=m", "-o", "fitted")
    assert "evaluations" in shown
    assert {path.name for path in (tmp_path / "fitted").iterdir()} == {"model.safetensors", "prediction.nc", "training.csv", "files.json"}
    assert trajectories.read(tmp_path / "fitted" / "prediction.nc")["x"].attrs["units"] == "m"
    run("predict", "fitted/model.safetensors", "run.csv", "-o", "p.csv")
    found = pd.read_csv(tmp_path / "p.csv")
    assert np.abs(found["x"] - np.cos(time)).max() < 0.01
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "fitted" / "model.safetensors").read_bytes()[:200])
    assert "cut.safetensors" in refused(run, "predict", "cut.safetensors", "run.csv", "-o", "q.csv")


def test_the_score_of_a_forecast_says_what_it_was_given(run, tmp_path):
    system = systems.get("harmonic-oscillator")
    record = system.simulate(np.linspace(0, 4, 20), n_trajectories=2, seed=0)
    model = physode.NeuralODE(hidden=(2,), max_iterations=2).fit(record)
    model.save(tmp_path / "m.safetensors")
    new = ["m.safetensors", "harmonic-oscillator", "--trajectories", "2", "--points", "20", "--duration", "4", "-o", "p.nc", "--force"]
    other = system.simulate(np.linspace(0, 4, 20), n_trajectories=2, seed=1)
    forecast = f"p.nc: R2 {model.score(other, warmup=5):.5f} after the first 5 samples of each trajectory\n"
    assert run("predict", *new, "--seed", "1", "--warmup", "5") == forecast
    assert run("predict", *new, "--seed", "1") == f"p.nc: R2 {model.score(other):.5f}\n"
    assert run("predict", *new, "--seed", "0", "--warmup", "5").startswith("p.nc: no score: samples after the window of 5 were used")
    table = pd.DataFrame({"t": np.arange(6.0), "x": [1.0, 0.9, 0.8, None, None, None], "v": [0.0, -0.1, -0.2, None, None, None]})
    table.to_csv(tmp_path / "begun.csv", index=False)
    units = ["--unit", "x=m", "--unit", "v=m s-1", "--unit", "t=s"]
    shown = run("predict", "m.safetensors", "begun.csv", "--warmup", "3", *units, "-o", "q.csv")
    assert shown.startswith("q.csv: no score: ") and pd.read_csv(tmp_path / "q.csv")["x"].notna().all()
    assert "warmup is 20, and the longest trajectory" in refused(run, "predict", *new, "--seed", "1", "--warmup", "20")


@pytest.mark.slow
def test_lyapunov_of_a_system(run):
    shown = run("lyapunov", "harmonic-oscillator", "--duration", "50")
    assert "Lyapunov exponents of harmonic-oscillator [s-1], with standard errors" in shown and "mean divergence" in shown


def test_a_full_disk_is_told_and_nothing_half_written_is_left(run, tmp_path, full_disk):
    oscillation(tmp_path)
    assert "No space left on device: 'a.nc'" in refused(run, "simulate", "pendulum", "--points", "5", "-o", "a.nc")
    assert "No space left on device: 'out/training.csv'" in refused(run, "fit", "run.csv", "--model", "node", "-o", "out")
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"run.csv", "files.json"}


def test_what_needs_all_exponents_is_told_of_all_exponents(run):
    some = run("lyapunov", "lorenz", "--exponents", "2", "--duration", "2")
    assert len(re.findall(r"[+-]\d.* \+- ", some)) == 2 and "sum" not in some and "Kaplan-Yorke" not in some
    every = run("lyapunov", "lorenz", "--exponents", "3", "--duration", "2")
    assert re.search(r"sum -13\.\d+, mean divergence -13\.66667\nKaplan-Yorke dimension 2\.\d+\n", every)


def test_when_every_fit_fails_the_status_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setattr("physode.models.base.train", lambda *_, **__: (_ for _ in ()).throw(FitError("it cannot be; try another")))
    told = run("compare", "pendulum", "--models", "node,hnn", *QUICK, "-o", "out", code=1)
    assert told == "physode: node, seed 0, failed: it cannot be; try another\nphysode: hnn, seed 0, failed: it cannot be; try another\n"
    assert "failed" in (tmp_path / "out" / "summary.csv").read_text() and (tmp_path / "out" / "report.html").exists()
