"""The characteristic time of a system: the one that its card names, or an estimate from how fast its states change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import sympy

if TYPE_CHECKING:
    from physode.systems.base import System

__all__ = ["time_scale"]

_DRAWN = 64


def time_scale(system: System) -> float:
    """Return the named time where it is real, finite and positive, else the median of 1/|eigenvalue| of the Jacobian.

    Examples
    --------
    >>> from physode import systems
    >>> systems.get("harmonic-oscillator", omega=4.0).time_scale, systems.get("harmonic-oscillator", omega=0.0).time_scale
    (0.25, 1.0)
    """
    values = {s: sympy.Float(v) for s, v in zip(system.parameter_symbols, system.parameters.values(), strict=True)}
    named = None if system.characteristic_time is None else system.characteristic_time.xreplace(values)
    if named is not None and named.is_finite and named.is_positive:
        return float(named)
    states = np.concatenate([system.initial_array(), system.sample_states(_DRAWN, seed=0)])
    with np.errstate(all="ignore"):
        matrices = system.jacobian(0.0, states)
    speeds = np.abs(np.linalg.eigvals(matrices[np.isfinite(matrices).all(axis=(1, 2))])).max(axis=-1)
    speeds = speeds[speeds > 0]
    return float(1 / np.median(speeds)) if len(speeds) else 1.0
