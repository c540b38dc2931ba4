"""Chaotic flows."""

from __future__ import annotations

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.quantities import Parameter, State

__all__ = ["lorenz"]


def lorenz() -> System:
    """Convect as in Lorenz-63; exponents (0.9056, 0, -14.5723) at the default parameters."""
    return build(
        "lorenz",
        title="Lorenz-63",
        states=[
            State("x", "1", "convection", range=(-15, 15)),
            State("y", "1", "horizontal temperature difference", range=(-20, 20)),
            State("z", "1", "vertical temperature difference", range=(5, 40)),
        ],
        equations={"x": "sigma*(y - x)", "y": "x*(rho - z) - y", "z": "x*y - beta*z"},
        parameters=[
            Parameter("sigma", 10.0, "1", "Prandtl number"),
            Parameter("rho", 28.0, "1", "Rayleigh number over its critical value"),
            Parameter("beta", 8 / 3, "1", "geometry of the convection cell"),
        ],
        time_units="1",
        time_scale="1/sigma",
        initial_state={"x": 1.0, "y": 1.0, "z": 1.0},
        symmetries="(x, y, z) -> (-x, -y, z)",
        reference="E. N. Lorenz: Deterministic nonperiodic flow, Journal of the Atmospheric Sciences 20, 130-141 (1963)",
        doi="10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2",
    )
