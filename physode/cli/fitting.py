"""`physode fit` and `physode predict`: one model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from physode.cli.app import EXIT_INTERRUPTED, app
from physode.cli.making import write_record
from physode.cli.options import (
    Data,
    Duration,
    Force,
    ForceFile,
    Held,
    Inputs,
    Method,
    Noise,
    NoiseModel,
    Observe,
    OutputFile,
    OutputFolder,
    Parameters,
    Points,
    Seed,
    States,
    Time,
    Trajectories,
    Trajectory,
    Units,
    comma_list,
    pairs,
)
from physode.errors import DataError, ExistsError, FitError, PhysodeError

__all__ = ["fit_model", "predict_record"]


@app.command("fit")
def fit_model(
    data: Data,
    *,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="A model's name: node, anode, sonode, hnn, ...")],
    output: OutputFolder,
    time: Time = None,
    states: States = None,
    trajectory: Trajectory = None,
    inputs: Inputs = None,
    held: Held = None,
    unit: Units = None,
    parameter: Parameters = None,
    observe: Observe = None,
    noise: Noise = 0.0,
    noise_model: NoiseModel = "gaussian",
    n_trajectories: Trajectories = 20,
    points: Points = 100,
    duration: Duration = 10.0,
    method: Method = "DOP853",
    seed: Seed = 0,
    time_budget: Annotated[
        float | None,
        typer.Option("--time-budget", metavar="SECONDS", help="End with the best model so far after this time (default: none)."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="Keep the fit in this file while it runs; the same command (with --force, if it left a result) goes on from it.",
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Fit one model to a whole record; leave the model, its prediction and its training curve."""
    from physode import models
    from physode.cli.data import CsvColumns, Simulation, load_record
    from physode.cli.writing import FILES, write_fit
    from physode.comparison import ResultFolder
    from physode.trajectories import input_names, state_names

    folder = ResultFolder(output, force=force)
    estimator = models.get(model)
    columns = CsvColumns(time, comma_list(states), trajectory, comma_list(inputs), comma_list(held), pairs(unit, "--unit"))
    how = Simulation(
        pairs(parameter, "--parameter"), comma_list(observe), noise, noise_model, n_trajectories, points, duration, method, seed
    )
    record = load_record(data, columns, how)
    folder.prepare(FILES)
    driven_by = f"; inputs: {', '.join(input_names(record))}" if input_names(record) else ""
    typer.echo(f"states: {', '.join(state_names(record))}{driven_by}")
    estimator.fit(record, seed=seed, time_budget=time_budget, checkpoint=checkpoint, progress=True)
    result = estimator.result_
    if not math.isfinite(result.loss):
        if result.status == "time_budget":
            raise FitError(
                "the time budget was spent before the first step of the fit; no result was written. Give a larger --time-budget."
            )
        typer.echo("physode: interrupted before the first step of the fit; nothing was written.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED)
    write_fit(folder, estimator, record)
    typer.echo(f"{result.status}, {'a success' if result.success else 'no success'}: {result.message}")
    typer.echo(
        f"{result.nfev} evaluations in {result.wall_time:.1f} s, solver error {result.solver_error:.1e} of the spread, "
        f"R2 {estimator.score(record):.5f}"
    )
    typer.echo(f"{output}: {', '.join(FILES)}")
    if result.status == "interrupted":
        raise typer.Exit(EXIT_INTERRUPTED)


@app.command("predict")
def predict_record(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model's file, *.safetensors.")],
    data: Data,
    *,
    output: OutputFile,
    time: Time = None,
    states: States = None,
    trajectory: Trajectory = None,
    inputs: Inputs = None,
    held: Held = None,
    unit: Units = None,
    parameter: Parameters = None,
    observe: Observe = None,
    noise: Noise = 0.0,
    noise_model: NoiseModel = "gaussian",
    n_trajectories: Trajectories = 20,
    points: Points = 100,
    duration: Duration = 10.0,
    method: Method = "DOP853",
    seed: Seed = 0,
    warmup: Annotated[
        int | None, typer.Option("--warmup", min=1, help="Estimate initial states from so many observations (default: all).")
    ] = None,
    force: ForceFile = False,
) -> None:
    """Predict a record with a saved model; write the prediction as netCDF or CSV."""
    import physode
    from physode.cli.data import CsvColumns, Simulation, load_record

    for given in (model, Path(data)):
        if output.exists() and given.exists() and output.samefile(given):
            raise ExistsError(f"{output} is what the prediction is made from; choose another name for it.")
    fitted = physode.load(model)
    columns = CsvColumns(time, comma_list(states), trajectory, comma_list(inputs), comma_list(held), pairs(unit, "--unit"))
    driven_by = ",".join(fitted._fitted().layout.inputs)
    if Path(data).suffix.lower() == ".csv" and driven_by and not inputs:
        raise PhysodeError(f"the model in {model} is driven by {driven_by}; say which columns of {data} that is: --inputs {driven_by}.")
    how = Simulation(
        pairs(parameter, "--parameter"), comma_list(observe), noise, noise_model, n_trajectories, points, duration, method, seed
    )
    record = load_record(data, columns, how)
    write_record(fitted.predict(record, warmup=warmup), output, force)
    where = "" if warmup is None else f" after the first {warmup} samples of each trajectory"
    try:
        typer.echo(f"{output}: R2 {fitted.score(record, warmup=warmup):.5f}{where}")
    except DataError as error:  # a forecast of what was not measured, or of what the model was fitted to
        typer.echo(f"{output}: no score: {error}")
