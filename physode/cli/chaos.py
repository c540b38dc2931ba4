"""`physode lyapunov`: exponents of a system or of a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from physode.cli.app import app
from physode.cli.options import Parameters, Seed, pairs

if TYPE_CHECKING:
    from physode.analysis.dynamics import Dynamics

__all__ = ["print_exponents"]


@app.command("lyapunov")
def print_exponents(
    dynamics: Annotated[str, typer.Argument(metavar="SYSTEM|MODEL", help="The name of a system, or a model's file *.safetensors.")],
    *,
    exponents: Annotated[int | None, typer.Option("--exponents", min=1, help="How many, from the largest (default: all).")] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", help="Time to average over (default: chosen from the time scale).")
    ] = None,
    parameter: Parameters = None,
    seed: Seed = 0,
) -> None:
    """Estimate the Lyapunov exponents of a system or of a saved model, with standard errors."""
    import physode
    from physode import systems
    from physode.analysis import lyapunov_spectrum
    from physode.errors import PhysodeError

    if dynamics.endswith(".safetensors") or Path(dynamics).is_file():
        if parameter:
            raise PhysodeError(f"--parameter is for systems, and {dynamics} is a model; leave it out.")
        source: Dynamics = physode.load(dynamics)
    else:
        try:
            values = {name: float(text) for name, text in pairs(parameter, "--parameter").items()}
        except ValueError as error:
            raise PhysodeError(f"--parameter needs numbers: {error}; write for example --parameter rho=28.") from None
        source = systems.get(dynamics, **values)
    found = lyapunov_spectrum(source, n_exponents=exponents, duration=duration, seed=seed)
    unit = found["lyapunov_exponent"].attrs.get("units", "")
    typer.echo(f"Lyapunov exponents of {dynamics}{f' [{unit}]' if unit else ''}, with standard errors")
    for value, spread in zip(found["lyapunov_exponent"].values, found["standard_error"].values, strict=True):
        typer.echo(f"{value:+12.5f} +- {spread:.5f}")
    if found.sizes["exponent"] == len(source.states):
        typer.echo(f"sum {float(found['lyapunov_exponent'].sum()):.5f}, mean divergence {float(found['mean_divergence']):.5f}")
        typer.echo(f"Kaplan-Yorke dimension {float(found['kaplan_yorke_dimension']):.4f}")
    if found.attrs.get("warnings", "none") != "none":
        typer.echo(f"warnings: {found.attrs['warnings']}")
