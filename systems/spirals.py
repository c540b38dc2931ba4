"""Spirals in the plane, the first examples of the neural-ODE literature."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.quantities import Parameter, State

__all__ = ["cubic_spiral", "linear_spiral", "random_spirals", "two_centre_spiral"]

_CHEN = "R. T. Q. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud: Neural ordinary differential equations, NeurIPS (2018)"
_CHEN_DOI = "10.48550/arXiv.1806.07366"


def linear_spiral() -> System:
    """Shrink and turn, dz/dt = A z: a rotation that shrinks. Its Lyapunov exponents are the real parts of A's eigenvalues."""
    return build(
        "linear-spiral",
        title="Linear spiral",
        states=[State("x", long_name="first coordinate", range=(-4, 4)), State("y", long_name="second coordinate", range=(-4, 4))],
        equations={"x": "a11*x + a12*y", "y": "a21*x + a22*y"},
        parameters=[
            Parameter("a11", -0.1, "1", "decay of the first coordinate"),
            Parameter("a12", 2.0, "1", "how the second coordinate turns the first"),
            Parameter("a21", -2.0, "1", "how the first coordinate turns the second"),
            Parameter("a22", -0.1, "1", "decay of the second coordinate"),
        ],
        time_units="1",
        initial_state={"x": 2.0, "y": 0.0},
        symmetries="scaling of the state; rotation if a11 = a22 and a12 = -a21",
        reference=_CHEN,
        doi=_CHEN_DOI,
    )


def cubic_spiral() -> System:
    """Follow the spiral of the neural-ODE demo, dz/dt = A z**3 element by element: it turns slower as it shrinks."""
    return build(
        "cubic-spiral",
        title="Cubic spiral",
        states=[State("x", long_name="first coordinate", range=(-2, 2)), State("y", long_name="second coordinate", range=(-2, 2))],
        equations={"x": "-a*x**3 + b*y**3", "y": "-b*x**3 - a*y**3"},
        parameters=[Parameter("a", 0.1, "1", "decay"), Parameter("b", 2.0, "1", "rotation")],
        time_units="1",
        time_scale="1/b/4",
        exponents=[0, 0],  # it decays like a power of time
        initial_state={"x": 2.0, "y": 0.0},
        symmetries="rotation by 90 degrees; z -> c z with t -> t / c**2",
        reference=_CHEN,
        doi=_CHEN_DOI,
    )


def random_spirals() -> System:
    """Draw a new spiral for each trajectory, clockwise or counter-clockwise, decaying at rates of their own.

    The diagonal of A is -0.1 |N| - 0.05, the rest is |N|, negative below the diagonal for one direction and above it for the
    other, with N standard normal; the trajectories start at 2 N.
    """
    family = dataclasses.replace(
        linear_spiral(),
        name="random-spirals",
        title="Random spirals",
        sampler=_normal_starts,
        parameter_sampler=_random_matrices,
        symmetries="scaling of the state; the mirror turns clockwise into counter-clockwise",
    )
    return family.with_parameters(a11=-0.13, a12=0.8, a21=-0.8, a22=-0.13)


def _normal_starts(generator: np.random.Generator, n: int, parameters: Mapping[str, ArrayLike]) -> np.ndarray:
    return 2 * generator.normal(size=(n, 2))


def _random_matrices(generator: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    size = np.abs(generator.normal(size=(n, 4)))
    direction = np.where(generator.uniform(size=n) < 0.5, 1.0, -1.0)
    decay = -0.1 * size[:, :2] - 0.05
    return {"a11": decay[:, 0], "a12": direction * size[:, 2], "a21": -direction * size[:, 3], "a22": decay[:, 1]}


def two_centre_spiral() -> System:
    """Follow A (z - z0) on one side and B (z + z0) on the other, blended by a sigmoid of z.z0: one centre repels, one attracts."""
    side = "(x*x0 + y*y0)"
    toward, away = f"sigmoid({side})", f"sigmoid(-{side})"
    return build(
        "two-centre-spiral",
        title="Two-centre spiral",
        states=[State("x", long_name="first coordinate", range=(-1, 1)), State("y", long_name="second coordinate", range=(-1, 1))],
        equations={
            "x": f"{toward}*(a11*(x - x0) + a12*(y - y0)) + {away}*(b11*(x + x0) + b12*(y + y0))",
            "y": f"{toward}*(a21*(x - x0) + a22*(y - y0)) + {away}*(b21*(x + x0) + b22*(y + y0))",
        },
        parameters=[
            Parameter("x0", -1.0, "1", "first coordinate of the centre of A"),
            Parameter("y0", 0.0, "1", "second coordinate of the centre of A"),
            Parameter("a11", -0.1, "1", "decay around the centre of A"),
            Parameter("a12", -0.5, "1", "rotation around the centre of A"),
            Parameter("a21", 0.5, "1", "rotation around the centre of A"),
            Parameter("a22", -0.1, "1", "decay around the centre of A"),
            Parameter("b11", 0.2, "1", "growth around the centre of B"),
            Parameter("b12", 1.0, "1", "rotation around the centre of B"),
            Parameter("b21", -1.0, "1", "rotation around the centre of B"),
            Parameter("b22", 0.2, "1", "growth around the centre of B"),
        ],
        time_units="1",
        initial_state={"x": 0.6, "y": 0.3},
        symmetries="none but time translation",
        reference=_CHEN,
        doi=_CHEN_DOI,
    )
