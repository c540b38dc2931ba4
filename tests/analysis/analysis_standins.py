"""Small hand-written dynamics: the duck type of the analyses, with exact answers and no other room needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr


class StandIn:
    """A vector field from a right-hand side and a Jacobian, both on batches (batch, state)."""

    def __init__(self, name, states, rhs, jacobian, *, time_scale=1.0, centre=0.0, spread=1.0, units=None):
        self.name = name
        self.states = tuple(states)
        self.units = dict.fromkeys(states, "1") | {"time": "s"} | (units or {})
        self.time_scale = time_scale
        self._rhs: Callable = rhs
        self._jacobian: Callable = jacobian
        self._centre, self._spread = centre, spread
        self.n_rhs = 0

    def rhs(self, t, z):
        self.n_rhs += 1
        return self._rhs(z)

    def jvp(self, t, z, v):
        j = self._jacobian(z)
        return np.matmul(j, v[..., None])[..., 0] if v.ndim == 2 else v @ np.swapaxes(j, 1, 2)

    def divergence(self, t, z):
        return np.trace(self._jacobian(z), axis1=1, axis2=2)

    def sample_states(self, n, seed):
        return self._centre + self._spread * np.random.default_rng(seed).uniform(-1, 1, (n, len(self.states)))


def linear(matrix, **kwargs):
    a = np.asarray(matrix, dtype=float)
    return StandIn(
        "linear", [f"x{i + 1}" for i in range(len(a))], lambda z: z @ a.T, lambda z: np.broadcast_to(a, (len(z), *a.shape)), **kwargs
    )


class Lorenz(StandIn):
    """Lorenz 1963 with a fast tangent."""

    def __init__(self, rho=28.0):
        self.rho = rho
        super().__init__("lorenz", "xyz", self._field, self._matrix, time_scale=0.12, centre=np.array([0, 0, 25.0]), spread=8.0)

    def _field(self, z):
        out = np.empty_like(z)
        x, y, w = z[:, 0], z[:, 1], z[:, 2]
        out[:, 0] = 10 * (y - x)
        out[:, 1] = x * (self.rho - w) - y
        out[:, 2] = x * y - 8 / 3 * w
        return out

    def _matrix(self, z):
        j = np.zeros((len(z), 3, 3))
        j[:, 0, 0], j[:, 0, 1] = -10, 10
        j[:, 1, 0], j[:, 1, 1], j[:, 1, 2] = self.rho - z[:, 2], -1, -z[:, 0]
        j[:, 2, 0], j[:, 2, 1], j[:, 2, 2] = z[:, 1], z[:, 0], -8 / 3
        return j

    def jvp(self, t, z, v):
        if v.ndim == 2:
            return self.jvp(t, z, v[:, None])[:, 0]
        x, y, w = z[:, 0, None], z[:, 1, None], z[:, 2, None]
        a, b, c = v[..., 0], v[..., 1], v[..., 2]
        out = np.empty_like(v)
        out[..., 0] = 10 * (b - a)
        out[..., 1] = (self.rho - w) * a - b - x * c
        out[..., 2] = y * a + x * b - 8 / 3 * c
        return out

    def divergence(self, t, z):
        return np.full(len(z), -10 - 1 - 8 / 3)


def planar(z, f, g):
    out = np.empty_like(z)
    out[:, 0], out[:, 1] = f, g
    return out


def planar_matrix(z, a, b, c, d):
    out = np.empty((len(z), 2, 2))
    out[:, 0, 0], out[:, 0, 1], out[:, 1, 0], out[:, 1, 1] = a, b, c, d
    return out


def van_der_pol(mu):
    def field(z):
        x, y = z[:, 0], z[:, 1]
        return planar(z, y, mu * (1 - x * x) * y - x)

    def matrix(z):
        x, y = z[:, 0], z[:, 1]
        return planar_matrix(z, 0, 1, -2 * mu * x * y - 1, mu * (1 - x * x))

    return StandIn("van-der-pol", "xy", field, matrix, spread=2.0)


def pendulum():
    """A pendulum of unit gravity and length in canonical coordinates."""

    def field(z):
        return planar(z, z[:, 1], -np.sin(z[:, 0]))

    def matrix(z):
        return planar_matrix(z, 0, 1, -np.cos(z[:, 0]), 0)

    return StandIn("pendulum", ("theta", "omega"), field, matrix, units={"theta": "rad", "omega": "rad s-1"})


def lotka_volterra(alpha=1.5, beta=1.0, gamma=3.0, delta=1.0):
    def field(z):
        x, y = z[:, 0], z[:, 1]
        return planar(z, alpha * x - beta * x * y, delta * x * y - gamma * y)

    def matrix(z):
        x, y = z[:, 0], z[:, 1]
        return planar_matrix(z, alpha - beta * y, -beta * x, delta * y, delta * x - gamma)

    return StandIn("lotka-volterra", "xy", field, matrix, centre=2.0, spread=1.0, time_scale=0.5)


class Fitted:
    """A model that predicts what it is told; its vector field is a system's."""

    name = "stand-in"
    time_scale = 1.0

    def __init__(self, system, variables):
        self.system, self.variables, self.warmup = system, variables, "not asked"
        self.states = tuple(variables)
        self.units = dict.fromkeys(self.states, "1") | {"time": "s"}

    def predict(self, ds, warmup=None):
        self.warmup = warmup
        return xr.Dataset(
            {k: (("trajectory", "time"), v, a) for k, (v, a) in self.variables.items()}, {"trajectory": ds.trajectory, "time": ds.time}
        )

    def rhs(self, t, z):
        return self.system.rhs(t, z)

    def jvp(self, t, z, v):
        return self.system.jvp(t, z, v)

    def divergence(self, t, z):
        return self.system.divergence(t, z)

    def sample_states(self, n, seed):
        return self.system.sample_states(n, seed)
