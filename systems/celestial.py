"""Bodies that attract each other, in the plane and in canonical coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.derivation import hamilton_equations
from physode.systems.expressions import parse
from physode.systems.quantities import Parameter, State, momentum, position

__all__ = ["three_body", "two_body"]

Array = NDArray[np.float64]


def two_body() -> System:
    """Let two bodies circle each other; at the default values as in the HNN study (G = m = 1)."""
    return _bodies(
        2,
        title="Two bodies",
        start={"x1": 0.5, "y1": 0.0, "x2": -0.5, "y2": 0.0, "px1": 0.0, "py1": 0.6, "px2": 0.0, "py2": -0.6},
        sampler=_near_circular,
        reference="S. Greydanus, M. Dzamba, J. Yosinski: Hamiltonian neural networks, NeurIPS (2019)",
        doi="10.48550/arXiv.1906.01563",
    )


def three_body() -> System:
    """Let three bodies attract each other; it starts on the figure-eight orbit, the random states are near circular and chaotic."""
    return _bodies(
        3,
        title="Three bodies",
        start={
            "x1": 0.97000436, "y1": -0.24308753, "x2": -0.97000436, "y2": 0.24308753, "x3": 0.0, "y3": 0.0,
            "px1": 0.466203685, "py1": 0.43236573, "px2": 0.466203685, "py2": 0.43236573, "px3": -0.93240737, "py3": -0.86473146,
        },
        sampler=_near_circular,
        reference="A. Chenciner, R. Montgomery: A remarkable periodic solution of the three-body problem, Annals of Mathematics 152 (2000)",
        doi="10.2307/2661357",
    )  # fmt: skip


def _near_circular(generator: np.random.Generator, n: int, parameters: Mapping[str, ArrayLike]) -> Array:
    """Draw states of equal angles around the centre of mass with nearly the speed of a circular orbit."""
    given = [np.asarray(value, dtype=np.float64) for name, value in parameters.items() if name.startswith("m")]
    masses = np.stack([np.broadcast_to(mass, n) for mass in given], axis=-1)
    count = len(given)
    draws = generator.uniform(size=(n, 2 + count))
    angle = 2 * np.pi * (draws[:, :1] + np.arange(count) / count)
    radius = 0.7 + 0.5 * draws[:, 1:2]
    place = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    attraction = np.asarray(parameters["G"], dtype=np.float64) * masses.mean(axis=-1)
    pull = attraction[:, None] * sum(1 / (4 * np.sin(np.pi * k / count)) for k in range(1, count))
    speed = np.sqrt(pull / radius) * (1 + 0.1 * (draws[:, 2:] - 0.5))
    motion = np.stack([-speed * np.sin(angle), speed * np.cos(angle)], axis=-1)
    weights = (masses / masses.sum(axis=-1, keepdims=True))[..., None]
    place -= (weights * place).sum(axis=1, keepdims=True)
    motion -= (weights * motion).sum(axis=1, keepdims=True)
    pushes = masses[..., None] * motion
    return np.concatenate([place.reshape(n, -1), pushes.reshape(n, -1)], axis=1)


def _bodies(count: int, *, title: str, start: Mapping[str, float], sampler, reference: str, doi: str) -> System:  # type: ignore[no-untyped-def]
    bodies = range(1, count + 1)
    q = [f"{axis}{i}" for i in bodies for axis in "xy"]
    p = [f"p{axis}{i}" for i in bodies for axis in "xy"]
    parameters = [Parameter("G", 1.0, "1", "gravitational constant"), *(Parameter(f"m{i}", 1.0, "1", f"mass of body {i}") for i in bodies)]
    kinetic = " + ".join(f"(px{i}**2 + py{i}**2)/(2*m{i})" for i in bodies)
    pairs = [(i, j) for i in bodies for j in bodies if i < j]
    potential = " - ".join(f"G*m{i}*m{j}/sqrt((x{i} - x{j})**2 + (y{i} - y{j})**2)" for i, j in pairs)
    hamiltonian = parse(f"{kinetic} - {potential}", [*q, *p, *(c.name for c in parameters)])
    ordinal = {"x": "first coordinate", "y": "second coordinate"}
    return build(
        f"{'two' if count == 2 else 'three'}-body",
        title=title,
        states=_states(q, p, ordinal),
        equations=hamilton_equations(hamiltonian, q, p),
        parameters=parameters,
        energy=hamiltonian,
        hamiltonian=True,
        conserved={
            "angular_momentum": " + ".join(f"x{i}*py{i} - y{i}*px{i}" for i in bodies),
            "momentum_x": " + ".join(f"px{i}" for i in bodies),
            "momentum_y": " + ".join(f"py{i}" for i in bodies),
        },
        time_units="1",
        time_scale="1/sqrt(G*m1)",
        exponents=[0] * 8 if count == 2 else [],  # the two-body problem is integrable
        initial_state=start,
        sampler=sampler,
        symmetries="translation, rotation and boosts; time reversal with p -> -p; exchange of equal bodies",
        reference=reference,
        doi=doi,
    )


def _states(q: Sequence[str], p: Sequence[str], ordinal: Mapping[str, str]) -> list[State]:
    positions = [position(name, "1", f"{ordinal[name[0]]} of body {name[1:]}", (-1.5, 1.5)) for name in q]
    momenta = [momentum(name, "1", f"{ordinal[name[1]]} of the momentum of body {name[2:]}", name[1:], (-1, 1)) for name in p]
    return positions + momenta
