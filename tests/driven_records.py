"""A Duffing oscillator without friction, driven by a force with a clock of its own; integrated piece by piece."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr
from scipy.integrate import solve_ivp

from physode.trajectories import from_numpy

UNITS = {"x": "m", "v": "m s-1", "force": "m s-2", "time": "s"}


def motion(time: np.ndarray, clock: np.ndarray, force: np.ndarray, start: tuple[float, float], kind: str) -> np.ndarray:
    """States at `time`, shape (n, 2), of x'' = -2 x - x^3 / 2 + force; no step crosses a sample of the force."""
    out, z = np.full((len(time), 2), np.nan), np.array(start)
    knots = np.concatenate([[time[0]], clock[(clock > time[0]) & (clock < time[-1])], [time[-1]]])
    for begin, end in pairwise(knots):
        held = force[np.searchsorted(clock, begin, side="right") - 1]

        def rate(t: float, z: np.ndarray, held: float = held) -> list[float]:
            u = held if kind == "previous" else np.interp(t, clock, force)
            return [z[1], -2 * z[0] - 0.5 * z[0] ** 3 + u]

        inside = (time >= begin) & (time <= end)
        run = solve_ivp(rate, (begin, end), z, method="DOP853", dense_output=True, rtol=1e-10, atol=1e-12)
        if inside.any():
            out[inside] = run.sol(time[inside]).T
        z = run.y[:, -1]
    return out


def driven(kind: str, n: int, *, seed: int, shared: bool = False, step: float = 0.7) -> xr.Dataset:
    """A record of n trajectories, observed every 0.15 s for 9 s; the force is sampled about every `step`, by default at times of each."""
    rng = np.random.default_rng(seed)
    time = np.arange(61) * 0.15
    clocks = [np.concatenate([[-0.2], np.sort(rng.uniform(0.05, 9.2, round(9 / step))), [9.3]]) for _ in range(1 if shared else n)]
    clocks = clocks * n if shared else clocks
    forces = [rng.normal(0, 1.2, len(clock)) for clock in clocks]
    starts = rng.uniform(-1, 1, (n, 2))
    states = [motion(time, clock, force, tuple(z), kind) for clock, force, z in zip(clocks, forces, starts, strict=True)]
    return from_numpy(
        time,
        np.array(states),
        ["x", "v"],
        inputs={"force": forces},
        input_time=clocks[0] if shared else clocks,
        interpolation={"force": kind},
        units=UNITS,
        roles={"x": "position", "v": "velocity"},
    )
