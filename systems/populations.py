"""Populations that eat each other."""

from __future__ import annotations

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.quantities import Parameter, State

__all__ = ["lotka_volterra"]


def lotka_volterra() -> System:
    """Eat and be eaten: x' = alpha x - beta x y, y' = delta x y - gamma y; V = delta x - gamma log x + beta y - alpha log y stays."""
    return build(
        "lotka-volterra",
        title="Lotka-Volterra",
        states=[State("x", "1", "prey", range=(0.5, 2.0)), State("y", "1", "predators", range=(0.3, 1.5))],
        equations={"x": "alpha*x - beta*x*y", "y": "delta*x*y - gamma*y"},
        parameters=[
            Parameter("alpha", 2 / 3, "1", "growth rate of the prey"),
            Parameter("beta", 4 / 3, "1", "rate at which a predator takes prey"),
            Parameter("delta", 1.0, "1", "rate at which prey feeds predators"),
            Parameter("gamma", 1.0, "1", "death rate of the predators"),
        ],
        conserved={"V": "delta*x - gamma*log(x) + beta*y - alpha*log(y)"},
        time_units="1",
        time_scale="1/sqrt(alpha*gamma)",
        initial_state={"x": 1.0, "y": 1.0},
        symmetries="time reversal with log x, log y exchanged as momentum and position",
        reference="V. Volterra: Fluctuations in the abundance of a species considered mathematically, Nature 118, 558-560 (1926)",
        doi="10.1038/118558a0",
    )
