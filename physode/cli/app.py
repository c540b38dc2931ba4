"""The program `physode`: its commands, and how it tells what went wrong."""

from __future__ import annotations

import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from physode.errors import PhysodeError

__all__ = ["EXIT_ALL_FAILED", "EXIT_INTERRUPTED", "app"]

EXIT_ALL_FAILED, EXIT_ERROR, EXIT_INTERRUPTED = 1, 2, 130
RESUMED = ("compare", "study")
"""Commands that take up what they had finished."""


class PlainErrors(TyperGroup):
    """Tells an error of physode in its own sentence, without a traceback, and leaves with status 2; warnings in theirs."""

    def invoke(self, ctx: Any) -> object:
        """Run the command."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, *_, **__: typer.echo(f"physode: {message}", err=True)
                return super().invoke(ctx)
        except PhysodeError as error:
            typer.echo(f"physode: {error}", err=True)
            raise typer.Exit(EXIT_ERROR) from None
        except BrokenPipeError:  # `physode systems | head`: typer ends quietly
            raise
        except OSError as error:  # a folder that cannot be written, a full disk
            typer.echo(f"physode: {error}", err=True)
            raise typer.Exit(EXIT_ERROR) from None
        except KeyboardInterrupt:
            kept = "; what was finished is kept, and the same command goes on from there" if ctx.invoked_subcommand in RESUMED else ""
            typer.echo(f"physode: interrupted{kept}.", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None


app = typer.Typer(
    cls=PlainErrors,
    name="physode",
    help="Fit the dynamics of a physical system to its time series, and say how far the fit can be trusted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def version_option(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    """Fit the dynamics of a physical system to its time series, and say how far the fit can be trusted."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("physode"))
        raise typer.Exit
