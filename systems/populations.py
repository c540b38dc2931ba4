"""Populations that eat each other."""

from __future__ import annotations

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.quantities import Parameter, State, momentum, position

__all__ = ["lotka_volterra", "lotka_volterra_canonical"]
_RATES = (
    Parameter("alpha", 2 / 3, "1", "growth rate of the prey"),
    Parameter("beta", 4 / 3, "1", "rate at which a predator takes prey"),
    Parameter("delta", 1.0, "1", "rate at which prey feeds predators"),
    Parameter("gamma", 1.0, "1", "death rate of the predators"),
)
_VOLTERRA = "V. Volterra: Fluctuations in the abundance of a species considered mathematically, Nature 118, 558-560 (1926)"
_VOLTERRA_DOI = "10.1038/118558a0"


def lotka_volterra() -> System:
    """Eat and be eaten: x' = alpha x - beta x y, y' = delta x y - gamma y; V = delta x - gamma log x + beta y - alpha log y stays."""
    return build(
        "lotka-volterra",
        title="Lotka-Volterra",
        states=[State("x", "1", "prey", range=(0.5, 2.0)), State("y", "1", "predators", range=(0.3, 1.5))],
        equations={"x": "alpha*x - beta*x*y", "y": "delta*x*y - gamma*y"},
        parameters=_RATES,
        conserved={"V": "delta*x - gamma*log(x) + beta*y - alpha*log(y)"},
        exponents=[0, 0],  # it keeps areas in the logarithms of both states, and goes round
        time_units="1",
        time_scale="1/sqrt(alpha*gamma)",
        initial_state={"x": 1.0, "y": 1.0},
        symmetries="time reversal with log x, log y exchanged as momentum and position",
        reference=_VOLTERRA,
        doi=_VOLTERRA_DOI,
    )


def lotka_volterra_canonical() -> System:
    """Describe the same populations by q = log y and p = log x, in which V is a Hamiltonian."""
    return build(
        "lotka-volterra-canonical",
        title="Lotka-Volterra, canonical",
        states=[
            position("q", "1", "logarithm of the predators", (-1.2, 0.4)),
            momentum("p", "1", "logarithm of the prey", "q", (-0.7, 0.7)),
        ],
        equations={"q": "delta*exp(p) - gamma", "p": "alpha - beta*exp(q)"},
        parameters=_RATES,
        energy="delta*exp(p) - gamma*p + beta*exp(q) - alpha*q",
        hamiltonian=True,
        time_units="1",
        time_scale="1/sqrt(alpha*gamma)",
        initial_state={"q": 0.0, "p": 0.0},
        symmetries="time translation",
        reference=_VOLTERRA,
        doi=_VOLTERRA_DOI,
    )
