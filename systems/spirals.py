"""Spirals in the plane, the first examples of the neural-ODE literature."""

from __future__ import annotations

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.quantities import Parameter, State

__all__ = ["cubic_spiral", "linear_spiral"]

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
        initial_state={"x": 2.0, "y": 0.0},
        symmetries="rotation by 90 degrees; z -> c z with t -> t / c**2",
        reference=_CHEN,
        doi=_CHEN_DOI,
    )
