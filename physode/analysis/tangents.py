"""Fixed-step Runge-Kutta 4 of a state together with its tangents: the derivative of the discrete step itself."""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.sizes import relative_sizes

__all__ = ["OffersBoth", "TangentStepper", "choose_step", "orthonormalise", "random_frame"]

_TOLERANCE: Final = 3e-5  # mean relative error of the one-step propagator; Lorenz then runs with a step of about 0.01
_STRIDE: Final = 4  # the divergence of a network costs as much as a stage; it is smooth, and looked at every fourth step
_LARGEST: Final = 0.125  # of the time scale, so that slow oscillators are not damped by the solver


@runtime_checkable
class OffersBoth(Protocol):
    """Dynamics whose right-hand side and tangent share their work, as those of a network do."""

    def rhs_and_jvp(self, t: ArrayLike, z: Array, v: Array) -> tuple[Array, Array]:
        """``rhs(t, z)`` of shape (batch, state) and ``jvp(t, z, v)`` of shape (batch, k, state)."""
        ...


class TangentStepper:
    """Carries a batch of states and k tangents each, by the same four stages.

    An adaptive solver is of no use here: its step grows to the stability limit and turns a stable fixed point's
    exponents into zeros.

    Parameters
    ----------
    dynamics : Dynamics
        The vector field.
    states : ndarray, shape (batch, state)
        Copied.
    tangents : ndarray, shape (batch, k, state)
        Copied; k may be 0.
    """

    def __init__(self, dynamics: Dynamics, states: Array, tangents: Array) -> None:
        self.dynamics = dynamics
        self._together = dynamics if isinstance(dynamics, OffersBoth) else None
        self.time = 0.0
        self.states = np.array(states, dtype=np.float64)
        self.start = self.states.copy()
        self.tangents = np.array(tangents, dtype=np.float64)

    def keep(self, mask: np.ndarray) -> None:
        """Drop the trajectories whose mask is false."""
        self.states, self.tangents, self.start = self.states[mask], self.tangents[mask], self.start[mask]

    def advance(self, step: float, n_steps: int, divergence: Array | None = None) -> None:
        """Take `n_steps` steps of size `step`; `divergence` (batch,) grows by the sum of the divergence over them."""
        x, v, start = self.states, self.tangents, self.time
        x_stage, x_sum, x_part = np.empty_like(x), np.empty_like(x), np.empty_like(x)
        v_stage, v_sum, v_part = np.empty_like(v), np.empty_like(v), np.empty_like(v)
        half, sixth, third, with_tangents = step / 2, step / 6, step / 3, v.shape[1] > 0
        for i in range(n_steps):
            t = start + i * step
            if divergence is not None and i % _STRIDE == 0:
                divergence += min(_STRIDE, n_steps - i) * self.dynamics.divergence(t, x)
            k, dk = self._slopes(t, x, v)
            np.multiply(k, sixth, out=x_sum)
            np.multiply(k, half, out=x_stage)
            if with_tangents:
                np.multiply(dk, sixth, out=v_sum)
                np.multiply(dk, half, out=v_stage)
            for time, weight, reach in ((t + half, third, half), (t + half, third, step), (t + step, sixth, 0.0)):
                x_stage += x
                v_stage += v
                k, dk = self._slopes(time, x_stage, v_stage)
                np.multiply(k, reach, out=x_stage)
                np.multiply(k, weight, out=x_part)
                x_sum += x_part
                if with_tangents:
                    np.multiply(dk, reach, out=v_stage)
                    np.multiply(dk, weight, out=v_part)
                    v_sum += v_part
            x += x_sum
            if with_tangents:
                v += v_sum
        self.time = start + n_steps * step

    def _slopes(self, t: float, x: Array, v: Array) -> tuple[Array, Array]:
        """Slopes of the states and of the tangents, together where the dynamics offer it."""
        if v.shape[1] == 0:
            return self.dynamics.rhs(t, x), v
        if self._together is not None:
            return self._together.rhs_and_jvp(t, x, v)
        return self.dynamics.rhs(t, x), self.dynamics.jvp(t, x, v)


def orthonormalise(tangents: Array) -> tuple[Array, Array]:
    """Split tangents (batch, k, state) into an orthonormal frame and the logarithms of its growth (batch, k)."""
    q, r = np.linalg.qr(np.swapaxes(tangents, 1, 2))
    diagonal = np.abs(np.diagonal(r, axis1=1, axis2=2))
    return np.ascontiguousarray(np.swapaxes(q, 1, 2)), np.log(np.maximum(diagonal, np.finfo(np.float64).tiny))


def random_frame(n_trajectories: int, n_exponents: int, n_states: int, seed: int) -> Array:
    """Draw an orthonormal frame for each trajectory, shape (trajectory, k, state)."""
    rng = np.random.default_rng(seed)
    return orthonormalise(rng.standard_normal((n_trajectories, n_exponents, n_states)))[0]


def choose_step(dynamics: Dynamics, states: Array) -> float:
    """Find the step at which a step of the tangents and two of half the size agree to 3e-5 of the Jacobian's effect.

    Parameters
    ----------
    dynamics : Dynamics
        The vector field.
    states : ndarray, shape (batch, state)
        Where to look: the mean over them counts, as it does for an exponent. Norms are those in units of the states' sizes.

    Returns
    -------
    float
        The step, at most an eighth and at least a thousandth of ``dynamics.time_scale``.
    """
    size = relative_sizes(dynamics)
    units = np.ascontiguousarray(np.broadcast_to(np.diag(size), (len(states), len(size), len(size))))
    jacobian = float(np.linalg.norm(dynamics.jvp(0.0, states, units) / size, axis=(1, 2)).mean())
    largest, smallest = _LARGEST * dynamics.time_scale, 1e-3 * dynamics.time_scale
    step = largest
    for _ in range(6):
        whole, halves = TangentStepper(dynamics, states, units), TangentStepper(dynamics, states, units)
        with np.errstate(over="ignore", invalid="ignore"):
            whole.advance(step, 1)
            halves.advance(step / 2, 2)
            difference = float(np.linalg.norm((whole.tangents - halves.tangents) / size, axis=(1, 2)).mean())
        if jacobian > 0 and not np.isfinite(difference):
            step /= 4
            continue
        if jacobian == 0 or difference <= _TOLERANCE * step * jacobian:
            break
        step *= max(0.2, min(0.9, 0.95 * (_TOLERANCE * step * jacobian / difference) ** 0.25))
        if step <= smallest:
            break
    return float(np.clip(step, smallest, largest))
