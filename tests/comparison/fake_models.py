"""A small linear model with the face of a fitted estimator, so that a comparison can be tested without training networks."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import xarray as xr
from safetensors.numpy import save_file
from scipy.linalg import expm

from physode.trajectories import time_dim, times, values


@dataclass
class LinearOscillator:
    """x'' = -k x - c v, fitted by least squares to finite differences of one position."""

    bias: float = 0.0
    trouble: str = ""
    delay: float = 0.0
    states: tuple[str, ...] = field(default=("x", "v"), init=False)
    registry_name: str = field(default="linear", init=False)
    n_parameters: int = field(default=2, init=False)
    name: str = field(default="linear", init=False)
    time_scale: float = field(default=1.0, init=False)

    def fit(self, ds, seed=0, *, callback=None, **_):
        if self.trouble == "raise":
            raise RuntimeError("no <b>luck</b>")
        if self.trouble == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.trouble == "warn":
            import warnings

            warnings.warn("the data are thin", stacklevel=2)
        time.sleep(self.delay)
        self.runs_away = self.trouble == "away" and seed > 0
        x, t = values(ds, ["x"])[..., 0], times(ds)
        v = np.stack([np.gradient(row, grid) for row, grid in zip(x, t, strict=True)])
        a = np.stack([np.gradient(row, grid) for row, grid in zip(v, t, strict=True)])
        inner = np.s_[:, 2:-2]
        design = np.stack([-x[inner].ravel(), -v[inner].ravel()], axis=-1)
        k, c = np.linalg.lstsq(design, a[inner].ravel(), rcond=None)[0]
        self.matrix = np.array([[0.0, 1.0], [-k - self.bias - 1e-3 * seed, -c]])
        history = {"epoch": [0, 1], "loss": [1.0, 0.1 + seed], "nfev": [10, 20], "wall_time": [0.1, 0.2], "stage": ["start", "end"]}
        for epoch in range(2):
            if callback:
                callback(SimpleNamespace(**{name: column[epoch] for name, column in history.items()}))
        self.units = {"x": ds["x"].attrs["units"], "v": "m s-1", "time": "s"}
        self.result_ = SimpleNamespace(
            success=True,
            status="converged",
            message="fine",
            nfev=20,
            wall_time=0.25,
            history=history,
            loss=0.1,
            noise_std={"x": 0.01},
            solver_error=1e-7,
        )
        return self

    def predict(self, ds, warmup=None):
        x, t = values(ds, ["x"])[..., 0], times(ds)
        out = np.full((*x.shape, 2), np.nan)
        for i, (row, grid) in enumerate(zip(x, t, strict=True)):
            shown = np.flatnonzero(np.isfinite(row))[:warmup]
            flows = np.stack([expm(self.matrix * (s - grid[0])) for s in grid])
            start = np.linalg.lstsq(flows[shown, 0, :], row[shown], rcond=None)[0]
            out[i] = flows @ start
        if self.runs_away:
            out[:, -1] = np.nan
        return self._dataset(out, ds)

    def vector_field(self, ds, states):
        z = values(states, self.states)
        return xr.Dataset({f"d{name}_dt": (states[name].dims, (z @ self.matrix.T)[..., k]) for k, name in enumerate(self.states)})

    def get_params(self):
        return {"bias": self.bias, "trouble": self.trouble, "delay": self.delay}

    def rhs(self, t, z):
        return z @ self.matrix.T

    def jvp(self, t, z, v):
        return v @ self.matrix.T

    def divergence(self, t, z):
        return np.full(len(z), np.trace(self.matrix))

    def sample_states(self, n, seed):
        return np.random.default_rng(seed).normal(size=(n, 2))

    def _dataset(self, z, ds):
        dims = ("trajectory", time_dim(ds))
        attrs = {"x": {"role": "position", "units": "m"}, "v": {"role": "velocity", "units": "m s-1", "time_derivative_of": "x"}}
        coords = {name: ds.coords[name] for name in ("trajectory", "time")}
        return xr.Dataset({name: (dims, z[..., i], attrs[name]) for i, name in enumerate(self.states)}, coords)

    def save(self, path):
        save_file({"matrix": self.matrix}, path)
