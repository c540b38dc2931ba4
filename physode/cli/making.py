"""`physode simulate`, `physode systems`, `physode datasets`: records and where they come from."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from physode.cli.app import app
from physode.cli.options import (
    Duration,
    ForceFile,
    Method,
    Noise,
    NoiseModel,
    Observe,
    OutputFile,
    Parameters,
    Points,
    Seed,
    Trajectories,
    comma_list,
    pairs,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["list_datasets", "list_systems", "simulate_system", "write_record"]


@app.command("simulate")
def simulate_system(
    system: str = typer.Argument(metavar="SYSTEM", help="A name from `physode systems`."),
    *,
    output: OutputFile,
    parameter: Parameters = None,
    observe: Observe = None,
    noise: Noise = 0.0,
    noise_model: NoiseModel = "gaussian",
    n_trajectories: Trajectories = 20,
    points: Points = 100,
    duration: Duration = 10.0,
    method: Method = "DOP853",
    seed: Seed = 0,
    force: ForceFile = False,
) -> None:
    """Simulate a system and write the record, as netCDF or CSV."""
    from physode.cli.data import Simulation, simulate

    how = Simulation(
        pairs(parameter, "--parameter"), comma_list(observe), noise, noise_model, n_trajectories, points, duration, method, seed
    )
    record = simulate(system, how)
    written = write_record(record, output, force)
    sizes = ", ".join(f"{size} {name}" for name, size in record.sizes.items())
    left = ", ".join(str(name) for name in record.data_vars if name not in written)
    typer.echo(f"{output}: {', '.join(written)} ({sizes}){f'; a table holds no units, nor {left}' if left else ''}")


def write_record(record: xr.Dataset, output: Path, force: bool) -> list[str]:
    """Write a record or a prediction as netCDF or CSV, as the suffix says; tell the variables that the file holds."""
    from physode import trajectories
    from physode.errors import FileFormatError
    from physode.files import atomic_path

    if output.suffix.lower() == ".nc":
        trajectories.write(record, output, overwrite=force)
        return [str(name) for name in record.data_vars]
    if output.suffix.lower() == ".csv":
        if not output.parent.is_dir():
            raise FileFormatError(f"{output} cannot be written: there is no folder {output.parent}; make it first.")
        with atomic_path(output, overwrite=force) as temporary:
            table = trajectories.to_dataframe(record)
            table.to_csv(temporary, index=False)
        return [str(name) for name in record.data_vars if name in table]
    raise FileFormatError(f"{output} ends with neither .nc nor .csv; give the file one of these suffixes.")


@app.command("systems")
def list_systems() -> None:
    """List the systems that can be simulated."""
    from physode import systems

    names = systems.names()
    for name in names:
        system = systems.get(name)
        typer.echo(f"{name:<{max(map(len, names))}}  {', '.join(system.states)}: {system.title}")


@app.command("datasets")
def list_datasets() -> None:
    """List the data sets that come with physode, and those that are to be fetched."""
    from physode import datasets

    for name, about in datasets.describe().iterrows():
        typer.echo(name)
        for what, found in about.items():
            text = {True: "yes", False: "no"}.get(found, found)
            if text:
                typer.echo(textwrap.fill(f"  {what:<10}{text}", 100, subsequent_indent=" " * 12, break_on_hyphens=False))
