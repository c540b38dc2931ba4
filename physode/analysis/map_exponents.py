"""Lyapunov exponents of an iterated map."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physode.analysis.dynamics import Array
from physode.analysis.each import each
from physode.analysis.lyapunov import kaplan_yorke_dimension
from physode.analysis.settings import whole
from physode.analysis.tangents import orthonormalise, random_frame
from physode.errors import PhysodeError

__all__ = ["map_exponents"]

_BLOCKS = 10


class Iterated(Protocol):
    """What is asked of a map."""

    @property
    def name(self) -> str: ...

    @property
    def states(self) -> tuple[str, ...]: ...

    def step(self, z: ArrayLike) -> Array: ...

    def jvp(self, z: ArrayLike, v: ArrayLike) -> Array: ...

    def sample_states(self, n: int, seed: int) -> Array: ...


@each
def map_exponents(iterated: Iterated, *, n_steps: int = 2000, transient: int = 200, n_trajectories: int = 64, seed: int = 0) -> xr.Dataset:
    """Lyapunov exponents of an iterated map, largest first, per step.

    The tangents are orthonormalised after each step [1]_.

    Parameters
    ----------
    iterated : IteratedMap
        Anything with ``states``, ``step``, ``jvp`` and ``sample_states``, such as :func:`physode.systems.iterated_map` gives.
    n_steps, transient : int
        Steps over which growth is averaged, and steps before.
    n_trajectories : int, default 64
        Initial states; they go through one array.
    seed : int, default 0
        Of initial states and tangents.

    Returns
    -------
    xarray.Dataset
        ``lyapunov_exponent(exponent)`` and ``standard_error(exponent)`` (the larger of that between initial states and that
        between 10 blocks of steps), per step; ``kaplan_yorke_dimension``. The error is an upper estimate, as in `lyapunov_spectrum`:
        that between blocks is 3.4 times too large for the logistic map at r = 4, and right for Henon's.

    Raises
    ------
    PhysodeError
        If all trajectories diverge, a number is out of its range, or what is given is no map.

    References
    ----------
    .. [1] Benettin et al., Meccanica 15 (1980) 9, doi:10.1007/BF02128236.

    Examples
    --------
    >>> from physode import systems
    >>> found = map_exponents(systems.iterated_map("arnold-cat"), n_steps=50)
    >>> found.lyapunov_exponent.values.round(4)
    array([ 0.9624, -0.9624])
    """
    whole(_BLOCKS, n_steps=n_steps)
    whole(0, transient=transient, seed=seed)
    whole(1, n_trajectories=n_trajectories)
    if not hasattr(iterated, "step"):
        what = f"the flow {iterated.name!r}" if hasattr(iterated, "rhs") else f"a {type(iterated).__name__}"
        raise PhysodeError(f"map_exponents takes an iterated map, as systems.iterated_map gives; found {what}. Flows: lyapunov_spectrum.")
    states = iterated.sample_states(n_trajectories, seed)
    tangents = random_frame(n_trajectories, states.shape[1], states.shape[1], seed)
    growth = np.zeros((_BLOCKS, *tangents.shape[:2]))
    block = np.arange(n_steps) * _BLOCKS // n_steps
    with np.errstate(over="ignore", invalid="ignore"):
        for index in range(-transient, n_steps):
            tangents, states = iterated.jvp(states, tangents), iterated.step(states)
            kept = np.isfinite(states).all(axis=1) & np.isfinite(tangents).all(axis=(1, 2))
            if not kept.all():
                states, tangents, growth = states[kept], tangents[kept], growth[:, kept]
                if not len(states):
                    raise PhysodeError(f"all trajectories of {iterated.name!r} diverge; start elsewhere or use other parameters.")
            tangents, logarithm = orthonormalise(tangents)
            if index >= 0:
                growth[block[index]] += logarithm
    exponents = growth.sum(axis=0).mean(axis=0) / n_steps
    between = growth.sum(axis=0).std(axis=0, ddof=1) / n_steps / np.sqrt(len(states)) if len(states) > 1 else np.zeros_like(exponents)
    in_time = (growth.mean(axis=1) / np.bincount(block)[:, None]).std(axis=0, ddof=1) / np.sqrt(_BLOCKS)
    order = np.argsort(-exponents)
    units = {"units": "1"}
    return xr.Dataset(
        {
            "lyapunov_exponent": ("exponent", exponents[order], {**units, "long_name": "Lyapunov exponent per step"}),
            "standard_error": ("exponent", np.maximum(between, in_time)[order], {**units, "long_name": "standard error"}),
            "kaplan_yorke_dimension": ((), kaplan_yorke_dimension(exponents[order]), {**units, "long_name": "Kaplan-Yorke dimension"}),
        },
        coords={"exponent": ("exponent", np.arange(1, len(order) + 1), {"long_name": "number of the exponent"})},
        attrs={"dynamics": iterated.name, "n_steps": n_steps, "transient": transient, "n_trajectories": len(states)},
    )
