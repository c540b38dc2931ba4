"""Chaotic flows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.checks import whole_number
from physode.systems.quantities import Parameter, State, momentum, position, velocity

__all__ = ["chua", "henon_heiles", "lorenz", "lorenz_96", "rossler"]


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


def rossler() -> System:
    """Fold a spiral onto itself; exponents (0.0714, 0, -5.3943) at the default parameters."""
    return build(
        "rossler",
        title="Rossler",
        states=[
            State("x", "1", "first coordinate", range=(-8, 8)),
            State("y", "1", "second coordinate", range=(-8, 6)),
            State("z", "1", "third coordinate", range=(0, 1)),
        ],
        equations={"x": "-y - z", "y": "x + a*y", "z": "b + z*(x - c)"},
        parameters=[
            Parameter("a", 0.2, "1", "growth of the spiral"),
            Parameter("b", 0.2, "1", "inflow of z"),
            Parameter("c", 5.7, "1", "where the fold begins"),
        ],
        time_units="1",
        time_scale="1",
        initial_state={"x": 6.51, "y": 0.48, "z": 0.34},
        symmetries="none but time translation",
        reference="O. E. Rossler: An equation for continuous chaos, Physics Letters A 57, 397-398 (1976)",
        doi="10.1016/0375-9601(76)90101-8",
    )


def chua() -> System:
    """Wander between two scrolls, by a resistor with three linear pieces; states far from the scrolls run away."""
    return build(
        "chua",
        title="Chua's circuit",
        states=[
            State("x", "1", "voltage over the first capacitor", range=(-1, 1)),
            State("y", "1", "voltage over the second capacitor", range=(-0.3, 0.3)),
            State("z", "1", "current through the inductor", range=(-1, 1)),
        ],
        equations={
            "x": "alpha*(y - x - (m1*x + (m0 - m1)*(abs(x + 1) - abs(x - 1))/2))",
            "y": "x - y + z",
            "z": "-beta*y",
        },
        parameters=[
            Parameter("alpha", 9.0, "1", "ratio of the capacitors"),
            Parameter("beta", 100 / 7, "1", "second capacitor over inductor"),
            Parameter("m0", -8 / 7, "1", "inner slope of the resistor"),
            Parameter("m1", -5 / 7, "1", "outer slope of the resistor"),
        ],
        time_units="1",
        time_scale="1/sqrt(beta)",
        initial_state={"x": 0.7, "y": 0.0, "z": 0.0},
        symmetries="(x, y, z) -> (-x, -y, -z)",
        reference="T. Matsumoto: A chaotic attractor from Chua's circuit, IEEE Transactions on Circuits and Systems 31, 1055-1058 (1984)",
        doi="10.1109/TCS.1984.1085459",
    )


def henon_heiles() -> System:
    """Move a star in a galaxy's plane: regular at low energy, mostly chaotic at its default E = 1/6, unbound above it."""
    return build(
        "henon-heiles",
        title="Henon-Heiles",
        states=[
            position("x", "1", "first coordinate", (-0.4, 0.4)),
            position("y", "1", "second coordinate", (-0.4, 0.4)),
            momentum("px", "1", "momentum of the first coordinate", "x", (-0.3, 0.3)),
            momentum("py", "1", "momentum of the second coordinate", "y", (-0.3, 0.3)),
        ],
        equations={"x": "px", "y": "py", "px": "-x - 2*coupling*x*y", "py": "-y - coupling*(x**2 - y**2)"},
        parameters=[Parameter("coupling", 1.0, "1", "strength of the cubic term")],
        energy="(px**2 + py**2)/2 + (x**2 + y**2)/2 + coupling*(x**2*y - y**3/3)",
        hamiltonian=True,
        partners=[
            velocity("vx", "1", "velocity of the first coordinate", "x"),
            velocity("vy", "1", "velocity of the second coordinate", "y"),
        ],
        time_units="1",
        time_scale="1",
        initial_state={"x": 0.0, "y": -0.15, "px": float(np.sqrt(1 / 3 - 0.15**2 - 2 * 0.15**3 / 3)), "py": 0.0},
        sampler=_bound_states,
        symmetries="time reversal with p -> -p; rotation by 120 degrees; x -> -x",
        reference="M. Henon, C. Heiles: The applicability of the third integral of motion, Astronomical Journal 69, 73-79 (1964)",
        doi="10.1086/109234",
    )


def _bound_states(generator: np.random.Generator, n: int, parameters: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Draw states inside the potential's triangle with energies below the escape energy 1/(6 coupling**2)."""
    coupling = np.asarray(parameters["coupling"], dtype=np.float64)
    scale = 1 / np.where(coupling == 0, 1.0, coupling)  # without coupling all states are bound
    draws = generator.uniform(-1, 1, size=(n, 4)) * scale[..., None] * np.array([0.35, 0.35, 1, 1])
    x, y = draws[:, 0], draws[:, 1]
    potential = (x**2 + y**2) / 2 + (x**2 * y - y**3 / 3) / scale
    energy = scale**2 / 6 * (0.75 + 0.2 * draws[:, 2] / scale)
    speed = np.sqrt(2 * np.maximum(energy - potential, 0))
    direction = np.pi * draws[:, 3] / scale
    return np.stack([x, y, speed * np.cos(direction), speed * np.sin(direction)], axis=-1)


def lorenz_96(cells: int = 40) -> System:
    """Circulate weather around a circle of latitude: x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F.

    Parameters
    ----------
    cells : int, default 40
        How many cells, at least 4.
    """
    cells = whole_number("lorenz-96: cells", cells, 4)
    name = [f"x{i}" for i in range(1, cells + 1)]
    equations = {name[i]: f"({name[(i + 1) % cells]} - {name[i - 2]})*{name[i - 1]} - {name[i]} + F" for i in range(cells)}
    return build(
        "lorenz-96",
        title="Lorenz-96",
        states=[State(x, "1", f"cell {x[1:]}", range=(-4, 8)) for x in name],
        equations=equations,
        parameters=[Parameter("F", 8.0, "1", "forcing")],
        time_units="1",
        time_scale="0.1",
        initial_state={x: 8.01 if x == "x1" else 8.0 for x in name},
        symmetries="rotation of the circle by one cell",
        reference="E. N. Lorenz, K. A. Emanuel: Optimal sites for supplementary weather observations, J. Atmos. Sci. 55, 399-414 (1998)",
        doi="10.1175/1520-0469(1998)055<0399:OSFSWO>2.0.CO;2",
    )
