"""How well any field can do on the records of noisy.py: the Cramer-Rao bound of a forecast, along the one orbit that was measured.

python benchmarks/noisy_bound.py [--harmonics 6] [--draws 4000]

The true law is known but for what is added to each slope: a Fourier series in the phase of the orbit, of as many harmonics as the first
column says; the initial state is unknown too. No unbiased estimate has a smaller covariance than the inverse of the Fisher information of
the 41 noisy points (Rao 1945), here with the trajectory linearised around the true one. From draws of that distribution come the errors on
[0, 10] and (10, 50] as noisy.py counts them: median, and the tenth and ninetieth percentile. A field knows nothing of the law beforehand,
and has more freedom than that; an estimate that is drawn to simple laws is biased, and may do better where the law is simple.
"""

from __future__ import annotations

import argparse

import numpy as np
from noisy import START
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from physode import systems

Array = NDArray[np.float64]

NOISE = 0.1
TIME = np.linspace(0.0, 50.0, 201)
MEASURED = 41


def main() -> None:
    """Print a row for each number of harmonics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--harmonics", type=int, default=6)
    parser.add_argument("--draws", type=int, default=4000)
    options = parser.parse_args()
    noise = np.random.default_rng(0).normal(0.0, NOISE, (options.draws, 2 * MEASURED))
    print(f"{'harmonics':>9}{'unknowns':>10}" + "".join(f"{name:>26}" for name in ("error on [0, 10]", "error on (10, 50]")))
    for harmonics in range(options.harmonics + 1):
        by_unknowns = sensitivity(harmonics)
        shown, ahead = (part.reshape(-1, part.shape[-1]) for part in (by_unknowns[:MEASURED], by_unknowns[MEASURED:]))
        found = noise @ np.linalg.pinv(shown).T  # what least squares makes of the noise: its covariance is the bound
        cells = ""
        for part in (shown, ahead):
            low, middle, high = np.quantile(np.sqrt(np.mean((found @ part.T) ** 2, axis=1)), (0.1, 0.5, 0.9))
            cells += f"{middle:.3f} ({low:.3f} to {high:.3f})".rjust(26)
        print(f"{harmonics:>9}{shown.shape[1]:>10}{cells}", flush=True)


def sensitivity(harmonics: int) -> Array:
    """Derivatives of the states by initial state and Fourier coefficients, (time, 2, unknown), by the variational equation."""
    law = systems.get("lotka-volterra")
    start = np.array([START[name] for name in law.states])
    turn = 2 * np.pi / period(law, start)
    n = 2 + 2 * (1 + 2 * harmonics)

    def slope(t: float, y: Array) -> Array:
        state, tangents = y[:2], y[2:].reshape(n, 2)
        angles = turn * t * np.arange(1, harmonics + 1)
        series = np.concatenate([[1.0], np.cos(angles), np.sin(angles)])
        moved = law.jvp(t, state[None], tangents[None])[0]
        moved[2:] += np.kron(np.eye(2), series).T
        return np.concatenate([law.rhs(t, state[None])[0], moved.ravel()])

    first = np.concatenate([start, np.eye(n, 2).ravel()])
    run = solve_ivp(slope, (TIME[0], TIME[-1]), first, t_eval=TIME, rtol=1e-9, atol=1e-10)
    return run.y[2:].T.reshape(len(TIME), n, 2).swapaxes(1, 2)


def period(law: systems.System, start: Array) -> float:
    """Time of one revolution from a state."""

    def crossing(t: float, z: Array) -> float:
        return float((z - start) @ law.rhs(0.0, start[None])[0])

    crossing.direction = 1.0
    run = solve_ivp(lambda t, z: law.rhs(t, z[None])[0], (0.0, 20.0), start, events=crossing, rtol=1e-10, atol=1e-12)
    return float(next(time for time in run.t_events[0] if time > 1.0))


if __name__ == "__main__":
    main()
