"""Steps that ignore the observation times, and the states between them by Hermite interpolation.

Between the ends of the steps, where the state and its slope are known, a polynomial through the four nearest ones (degree 7) errs
less than any of the Runge-Kutta methods here (Hairer, Norsett & Wanner 1993, II.6); it needs no evaluation of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from physode.solvers.grid import step_grid
from physode.solvers.perceptron import Array

__all__ = ["Plan", "hermite_weights", "plan_steps"]

NODES = 4


def hermite_weights(position: Array, n_nodes: int) -> tuple[Array, Array]:
    """Weights of the values and of the slopes at 0, 1, ..., n_nodes - 1 in the polynomial through both.

    Parameters
    ----------
    position : ndarray, any shape
        Where the polynomial is evaluated.
    n_nodes : int

    Returns
    -------
    of_values, of_slopes : ndarray, shape (..., n_nodes)

    Examples
    --------
    >>> values, slopes = hermite_weights(np.array(0.5), 2)
    >>> values.tolist(), slopes.tolist()
    ([0.5, 0.5], [0.125, -0.125])
    """
    nodes = np.arange(n_nodes)
    away = position[..., None] - nodes
    gaps = np.subtract.outer(nodes, nodes).astype(float) + np.eye(n_nodes)
    # Row j of `parts` has the factors of the Lagrange polynomial that is 1 at node j.
    parts = np.where(np.eye(n_nodes, dtype=bool), 1.0, away[..., None, :] / gaps)
    square = parts.prod(axis=-1) ** 2
    bend = (1.0 / gaps - np.eye(n_nodes)).sum(1)
    return (1.0 - 2.0 * bend * away) * square, away * square


@dataclass(frozen=True)
class Plan:
    """The steps of an integration, and how the states at the observations follow from those at the ends of the steps.

    Attributes
    ----------
    step : Tensor, shape (steps, batch, 1)
    start : Tensor, shape (batch, steps)
        Time at which each step starts.
    dense : bool
        Whether the observations are interpolated; if not, steps end at them.
    shared : bool
        Whether all trajectories have the same steps and observations, so that one block of `weights` serves all.
    weights : csr_array, shape (observations, nodes) or (batch x observations, nodes x batch)
        Columns follow `Rollout.nodes`.
    forward, backward : csr_array
    """

    step: Tensor
    start: Tensor
    dense: bool
    shared: bool
    weights: csr_array
    transposed: csr_array

    @property
    def n_observations(self) -> int:
        """Observations of each trajectory, padding included."""
        return int(self.weights.shape[0]) // (1 if self.shared else self.step.shape[1])

    def observe(self, nodes: Array) -> Array:
        """Give the states at the observations, shape (batch, observations, n_states), from `Rollout.nodes`."""
        batch, n = nodes.shape[2:]
        wide = batch * n if self.shared else n
        out: Array = self.weights @ np.ascontiguousarray(nodes).reshape(-1, wide)
        return out.reshape(-1, batch, n).transpose(1, 0, 2) if self.shared else out.reshape(batch, -1, n)

    def pull_back(self, by_observations: Array) -> Array:
        """Turn a gradient by what `observe` gives into one by the nodes."""
        batch, _, n = by_observations.shape
        wide = batch * n if self.shared else n
        ordered = by_observations.transpose(1, 0, 2) if self.shared else by_observations
        out: Array = self.transposed @ np.ascontiguousarray(ordered).reshape(-1, wide)
        return out.reshape(-1, 2 if self.dense else 1, batch, n)


def plan_steps(time: Tensor, max_step: float, n_stages: int, *, smooth: bool, dtype: torch.dtype = torch.float64) -> Plan:
    """Choose the steps of a batch of trajectories.

    Parameters
    ----------
    time : Tensor, shape (batch, observations)
        Increasing times; NaN at the end of the shorter trajectories, which map to the last valid time.
    max_step : float
        Largest step, in the unit of `time`.
    n_stages : int
        Evaluations a step.
    smooth : bool
        Whether steps may cross observations; where that takes fewer evaluations, they do.
    dtype : torch.dtype, default float64
        Type of the states, and so of the step sizes; they are computed in that of the times.
    """
    return _plan(time.contiguous().numpy().tobytes(), time.dtype, tuple(time.shape), max_step, n_stages, smooth, dtype)


@lru_cache(maxsize=8)
def _plan(
    times: bytes, time_type: torch.dtype, shape: tuple[int, int], max_step: float, n_stages: int, smooth: bool, dtype: torch.dtype
) -> Plan:
    """Plan anew; an optimiser asks for the same times again and again."""
    time = torch.frombuffer(bytearray(times), dtype=time_type).reshape(shape)
    numbers = torch.empty(0, dtype=dtype, device="cpu").numpy().dtype
    elapsed = time - time[:, :1]
    shared = torch.equal(elapsed.nan_to_num(-1.0), elapsed[:1].expand(shape).nan_to_num(-1.0))
    grid = step_grid(time[:1] if shared else time, max_step)
    duration = elapsed.nan_to_num(0.0).amax(1, keepdim=True)
    n_steps = max(1, math.ceil(float(duration.max()) / max_step - 1e-9))
    rows = 1 if shared else shape[0]
    if smooth and n_steps * n_stages + 1 < grid.step.shape[1] * n_stages:
        step = (duration / n_steps).expand(-1, n_steps)
        position = (elapsed / step[:, :1]).nan_to_num(float(n_steps)).clamp(0.0, n_steps)[:rows].numpy()
        weights = _interpolation(position, n_steps, numbers)
    else:
        smooth, step = False, grid.step.expand(shape[0], -1)
        index = grid.index.numpy()
        columns = (index * rows + np.arange(rows)[:, None]).ravel()
        size = (step.shape[1] + 1) * rows
        weights = csr_array((np.ones(columns.size, numbers), columns, np.arange(columns.size + 1)), shape=(columns.size, size))
    start = time[:, :1] + torch.cat([torch.zeros_like(step[:, :1]), step.cumsum(1)[:, :-1]], dim=1)
    return Plan(step.T[..., None].contiguous().to(dtype), start, smooth, shared, weights, weights.T.tocsr())


def _interpolation(position: Array, n_steps: int, dtype: np.dtype[np.floating]) -> csr_array:
    """Weights of values and slopes at the ends of equal steps, for positions of shape (trajectories, observations) counted in steps."""
    rows, n_nodes = len(position), min(NODES, n_steps + 1)
    left = np.clip(np.floor(position) - (n_nodes // 2 - 1), 0, n_steps + 1 - n_nodes)
    both = np.stack(hermite_weights(position - left, n_nodes), axis=-1)
    nodes = left.astype(np.int64)[..., None, None] + np.arange(n_nodes)[:, None]
    columns = (nodes * 2 + np.arange(2)) * rows + np.arange(rows)[:, None, None, None]
    ends = np.arange(position.size + 1) * 2 * n_nodes
    return csr_array((both.astype(dtype).ravel(), columns.ravel(), ends), shape=(position.size, 2 * (n_steps + 1) * rows))
