"""`physode study`: the studies that reproduce published results, in a source checkout."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from physode.cli.app import app
from physode.errors import PhysodeError

__all__ = ["find_checkout", "list_studies", "run_study", "study_app"]

study_app = typer.Typer(help="Reproduce published results (in a source checkout).", no_args_is_help=True)
app.add_typer(study_app, name="study")


def find_checkout() -> Path:
    """Find the checkout whose studies are meant: the current folder's, else the one that physode is imported from.

    Raises
    ------
    PhysodeError
        If there is none.
    """
    import physode

    for root in (Path.cwd(), Path(str(physode.__file__)).resolve().parents[1]):
        if (root / "studies" / "runner.py").is_file():
            return root
    raise PhysodeError(
        "studies come with the source checkout and not with the installed package; get the source and run this inside its folder."
    )


def _runner() -> ModuleType:
    """Import the checkout's runner, so that worker processes find it by the same name."""
    root = str(find_checkout())
    if root not in sys.path:
        sys.path.insert(0, root)
    return importlib.import_module("studies.runner")


@study_app.command("list")
def list_studies() -> None:
    """List the studies and what they reproduce."""
    for name, title in _runner().studies().items():
        typer.echo(f"{name}: {title}")


@study_app.command("run")
def run_study(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `physode study list`.")],
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small version, to see that it runs; its numbers are not the published ones.")
    ] = False,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="How many seeds (default: what the study says).")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where results are kept (default: runs/study-NAME[-quick]).")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="How many processes work (default: one per core).")] = None,
) -> None:
    """Run a study, keep each finished fit, and set the numbers reached beside the published ones."""
    table = _runner().run_study(name, quick=quick, seeds=seeds, directory=output, workers=workers)
    typer.echo(table)
