"""`physode compare` and `physode report`: the main job."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from physode.cli.app import EXIT_ALL_FAILED, app
from physode.cli.options import (
    Data,
    Duration,
    Force,
    Held,
    Inputs,
    Method,
    Noise,
    NoiseModel,
    Observe,
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

__all__ = ["compare_models", "make_report"]


@app.command("compare")
def compare_models(
    data: Data,
    *,
    models: Annotated[str, typer.Option("--models", metavar="A,B", help="The models to compare.")] = "node,anode,sonode,hnn",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds each model is fitted with.")] = 5,
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
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="How many processes work (default: one per core).")] = None,
    lyapunov: Annotated[bool, typer.Option("--lyapunov", help="Estimate the largest Lyapunov exponent of each model.")] = False,
    progress: Annotated[bool | None, typer.Option("--progress/--no-progress", help="Show a progress bar (default: on a terminal).")] = None,
    force: Force = False,
) -> None:
    """Fit several models with several seeds to one record, and leave numbers, models, figures and a report."""
    from physode.cli.data import CsvColumns, Simulation, load_record
    from physode.comparison import ResultFolder, compare, failures, overview_text
    from physode.report import write_report

    ResultFolder(output, force=force)
    columns = CsvColumns(time, comma_list(states), trajectory, comma_list(inputs), comma_list(held), pairs(unit, "--unit"))
    how = Simulation(
        pairs(parameter, "--parameter"), comma_list(observe), noise, noise_model, n_trajectories, points, duration, method, seed
    )
    record = load_record(data, columns, how)
    record.attrs.setdefault("name", data)
    record.attrs["command"] = shlex.join(["physode", *sys.argv[1:]])
    tree = compare(
        comma_list(models), record, seeds=seeds, directory=output, workers=workers, lyapunov=lyapunov, progress=progress, force=force
    )
    page = write_report(output)
    typer.echo(overview_text(tree))
    told = failures(tree)
    for line in told:
        typer.echo(f"physode: {line}", err=True)
    typer.echo(f"\n{output}: result.nc, summary.csv, models, figures; read {page}")
    if len(told) == tree["models"].to_dataset()["status"].size:
        raise typer.Exit(EXIT_ALL_FAILED)


@app.command("report")
def make_report(directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a comparison.")]) -> None:
    """Draw the figures and write the page of a finished comparison anew."""
    from physode.report import write_report

    typer.echo(write_report(directory))
