"""A whole Runge-Kutta integration of a perceptron and its exact gradient: the discrete adjoint, by hand."""

from __future__ import annotations

from collections import deque

import numpy as np

from physode.solvers.perceptron import Array, Perceptron, Tape
from physode.solvers.runge_kutta import Tableau
from physode.solvers.watch import look

__all__ = ["Rollout"]

_SPARE: deque[tuple[tuple[object, ...], Tape]] = deque(maxlen=2)
"""Tapes of finished reverse passes: new memory costs the system more than the network costs us."""
SPARED = 2**25
"""Bytes of the largest tape that is held back."""


class Rollout:
    """One integration of a batch.

    Parameters
    ----------
    tableau : Tableau
    net : Perceptron
    initial : ndarray, shape (batch, n_states)
    step : ndarray, shape (steps, batch, 1)
        Step sizes.
    inputs : ndarray, shape (steps, stages, batch, n_inputs), or None
    with_slopes : bool
        Whether dz/dt is wanted at the ends of all steps, as dense output needs; takes one evaluation more.
    keep : bool
        Whether `pull_back` will be called.

    Attributes
    ----------
    nodes : ndarray, shape (steps + 1, 1 or 2, batch, n_states)
        States at the ends of the steps, and behind them, if wanted, the slopes there times the step size.

    References
    ----------
    Hager 2000, Runge-Kutta methods in optimal control and the transformed adjoint system, doi:10.1007/s002110000178.
    """

    def __init__(
        self, tableau: Tableau, net: Perceptron, initial: Array, step: Array, inputs: Array | None, *, with_slopes: bool, keep: bool
    ) -> None:
        n_steps, n_stages, shape = len(step), len(tableau.b), initial.shape
        self.tableau, self.step = tableau, step
        sizes = (n_steps * n_stages + with_slopes, len(initial))
        self.key = (keep, *sizes, initial.dtype, len(net.last), *(weight.shape for weight in net.hidden))
        self.tape = tape = _spare(self.key) or Tape(net, *sizes, keep=keep)
        tape.load(net)
        # Row 0 of a step is the state at its start; the others are the slopes of its stages times the step size.
        table = np.empty((n_steps + 1, n_stages + 1, *shape), initial.dtype)
        flat, rows = table.reshape(n_steps + 1, n_stages + 1, -1), [np.array([1.0, *row], initial.dtype) for row in tableau.a]
        end, stage = np.array([1.0, *tableau.b], initial.dtype), np.empty(shape, initial.dtype)
        line, number = stage.reshape(-1), 0
        table[0, 0] = initial
        with np.errstate(over="ignore", invalid="ignore"):  # a field that runs away is for the caller to see
            for k in range(n_steps):
                look()
                lines, h, scaled = flat[k], step[k], table[k, 1:]
                for i, row in enumerate(rows):
                    np.dot(row, lines[: i + 1], out=line)
                    rate = scaled[i]
                    tape.evaluate(number, stage, None if inputs is None else inputs[k, i], rate)
                    np.multiply(rate, h, out=rate)
                    number += 1
                np.dot(end, lines, out=flat[k + 1, 0])
            if with_slopes:
                tape.evaluate(number, table[-1, 0], None, table[-1, 1])
                table[-1, 1] *= step[-1]
        self.nodes, self.table = table[:, : 1 + with_slopes], table

    @property
    def inner(self) -> Array:
        """States at which the network was evaluated, shape (steps, stages, batch, n_states)."""
        weights = np.zeros((len(self.tableau.b), self.table.shape[1]), self.table.dtype)
        for i, row in enumerate(self.tableau.a):
            weights[i, : i + 1] = 1.0, *row
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.einsum("ij,kjbn->kibn", weights, self.table[:-1]))

    def pull_back(self, by_nodes: Array) -> tuple[Array, list[tuple[Array, Array]], Array]:
        """Differentiate a loss; can be called once.

        Parameters
        ----------
        by_nodes : ndarray
            Gradient of the loss by `nodes`, and of their shape.

        Returns
        -------
        by_initial : ndarray, shape (batch, n_states)
        by_layers : list of (ndarray, ndarray)
            By the weight and the bias of every layer.
        by_linear : ndarray, shape (n_states, n_states + n_inputs)
        """
        n_steps, n_stages, tape, dtype = len(self.step), len(self.tableau.b), self.tape, by_nodes.dtype
        with_slopes, shape = by_nodes.shape[1] == 2, by_nodes.shape[2:]
        tape.turn()
        # Row 0 is the gradient by the state at the end of a step, row r that by its stage n_stages - r.
        table = np.empty((n_stages + 1, *shape), dtype)
        flat, rate = table.reshape(n_stages + 1, -1), np.empty(shape, dtype)
        a, b = self.tableau.a, self.tableau.b
        columns = [np.array([b[i], *(a[j][i] for j in range(n_stages - 1, i, -1))], dtype) for i in range(n_stages)]
        line, ones, number = rate.reshape(-1), np.ones(n_stages + 1, dtype), n_steps * n_stages
        table[0] = by_nodes[-1, 0]
        if with_slopes:
            tape.pull_back(number, by_nodes[-1, 1] * self.step[-1], rate)
            table[0] += rate
        for k in range(n_steps - 1, -1, -1):
            look()
            h = self.step[k]
            for i in range(n_stages - 1, -1, -1):
                number -= 1
                np.dot(columns[i], flat[: n_stages - i], out=line)
                if with_slopes and i == 0:
                    np.add(rate, by_nodes[k, 1], out=rate)
                np.multiply(rate, h, out=rate)
                tape.pull_back(number, rate, table[n_stages - i])
            np.dot(ones, flat, out=line)
            np.add(rate, by_nodes[k, 0], out=table[0])
        gradients = tape.weight_gradients()
        if tape.bytes <= SPARED:
            _SPARE.append((self.key, tape))
        return table[0], *gradients


def _spare(key: tuple[object, ...]) -> Tape | None:
    """Take back a tape of these sizes."""
    for position, (sizes, tape) in enumerate(_SPARE):
        if sizes == key:
            del _SPARE[position]
            return tape
    return None
