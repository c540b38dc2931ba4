"""How large the states of a dynamics are, so that a norm of several of them does not depend on their units."""

from __future__ import annotations

from typing import Final

import numpy as np

from physode.analysis.dynamics import Array, Dynamics

__all__ = ["binary", "relative_sizes", "sampled_box"]

_ALIKE: Final = 1 / 32  # of the largest size: initial states are drawn from a box that says little more than the unit


def sampled_box(dynamics: Dynamics, seed: int) -> tuple[Array, Array, Array]:
    """Lower and upper corner and size, never zero, of the box around 200 states that the dynamics calls reasonable."""
    sampled = dynamics.sample_states(200, seed)
    low, high = sampled.min(axis=0), sampled.max(axis=0)
    return low, high, np.where(high > low, high - low, np.maximum(np.abs(high), 1.0))


def binary(size: Array) -> Array:
    """The nearest powers of 2, so that neither rounding nor the least difference between two fields changes the units; 1 for none."""
    return np.exp2(np.round(np.log2(np.where(np.isfinite(size) & (size > 0), size, 1.0))))


def relative_sizes(dynamics: Dynamics) -> Array:
    """Sizes of the states over the largest of them, as powers of 2, (state,); 1 for those that are hardly smaller.

    Examples
    --------
    >>> from physode import systems
    >>> relative_sizes(systems.define("lab", {"x": "v", "v": "-x"}, ranges={"x": (-1, 1), "v": (-1e-3, 1e-3)})).tolist()
    [1.0, 0.0009765625]
    """
    size = sampled_box(dynamics, 0)[2]
    ratio = size / size.max()
    return np.where(ratio > _ALIKE, 1.0, binary(ratio))
