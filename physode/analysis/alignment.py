"""GALI and SALI: chaos or order, told by whether deviation vectors fall into line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physode.analysis.dynamics import Array, Dynamics, unit_of
from physode.analysis.each import each
from physode.analysis.lyapunov_settings import start_states
from physode.analysis.settings import positive, whole
from physode.analysis.sizes import relative_sizes
from physode.analysis.tangents import TangentStepper, choose_step, random_frame
from physode.errors import PhysodeError

__all__ = ["THRESHOLD", "alignment_index"]

THRESHOLD: Final = 1e-12
"""An index below this is zero: the vectors lie in fewer dimensions than there are of them."""

_DURATION: Final = 1000.0  # in time scales, as has become usual
_FAR: Final = 1e6  # times the initial size: diverged


@each
def alignment_index(
    dynamics: Dynamics,
    *,
    n_vectors: int = 2,
    interval: float | None = None,
    step: float | None = None,
    n_trajectories: int = 16,
    duration: float | None = None,
    seed: int = 0,
    initial_states: Mapping[str, ArrayLike] | ArrayLike | None = None,
) -> xr.Dataset:
    r"""Generalised and smaller alignment indices (GALI_k, SALI) along trajectories.

    GALI_k is the volume that k deviation vectors of unit length span, the product of the singular values of the matrix that they
    form. They are carried by the tangent map from a random orthonormal frame and normalised, never orthogonalised; states count in
    units of their sizes, between those that ``dynamics.sample_states`` draws. On a chaotic orbit of a Hamiltonian system GALI_k falls
    like exp(-t sum_j (lambda_1 - lambda_j)), j = 2..k; on a regular one on a torus of dimension d it stays constant for k <= d and
    falls like a power of time for k > d.

    Parameters
    ----------
    dynamics : Dynamics
        A System or a fitted model, of at least two states; four or more to tell anything, since with two even regular orbits fall.
    n_vectors : int, default 2
        The largest k; GALI_2 to GALI_k come from the same vectors.
    interval : float, optional
        Time between two values. Default: ``dynamics.time_scale``.
    step : float, optional
        Longest step of the Runge-Kutta 4; it is shortened to fit into the interval. Default: as in `lyapunov_spectrum`.
    n_trajectories : int, default 16
        Number of initial states.
    duration : float, optional
        For how long trajectories are followed. Default: 1000 ``dynamics.time_scale``.
    seed : int, default 0
        Of the initial states and the first vectors.
    initial_states : mapping or array, optional
        Instead of ``dynamics.sample_states``: a number, or one per trajectory, for each state; or (trajectory, state).

    Returns
    -------
    xarray.Dataset
        ``alignment_index(order, trajectory, time)``, GALI_k for k = 2 to `n_vectors`; ``smaller_alignment_index(trajectory, time)``,
        SALI = min \|w1 +- w2\| of the first two vectors; ``crossing_time(order, trajectory)``, the first time at which GALI_k is below
        1e-12, NaN if it never is. An index ends (NaN) once it has crossed,
        a trajectory once its GALI_2 has, or when it diverges. Attributes: step,
        ``threshold`` and ``warnings``.

    Raises
    ------
    PhysodeError
        If `n_vectors` is below 2 or above the number of states, or another number is out of its range.

    References
    ----------
    .. [1] Skokos, Bountis, Antonopoulos, Physica D 231 (2007) 30, doi:10.1016/j.physd.2007.04.004.
    .. [2] Skokos, J. Phys. A 34 (2001) 10029, doi:10.1088/0305-4470/34/47/309.

    Examples
    --------
    >>> from physode import systems
    >>> start = {"x": 0.0, "y": -0.25, "px": 0.42081, "py": 0.0}
    >>> found = alignment_index(systems.get("henon-heiles"), n_vectors=4, initial_states=start, duration=150.0)
    >>> bool(found.crossing_time.sel(order=4) < 150)
    True
    """
    n_states = len(dynamics.states)
    if not 2 <= n_vectors <= n_states:
        raise PhysodeError(f"n_vectors is {n_vectors}; {dynamics.name!r} has {n_states} states, so ask for 2 to {n_states} (at least two).")
    whole(1, n_trajectories=n_trajectories)
    whole(0, seed=seed)
    positive(interval=interval, step=step, duration=duration)
    start = start_states(dynamics, n_trajectories, seed, initial_states)
    interval = dynamics.time_scale if interval is None else float(interval)
    duration = _DURATION * dynamics.time_scale if duration is None else float(duration)
    n_times, longest = max(1, round(duration / interval)), choose_step(dynamics, start) if step is None else step
    n_steps = max(1, int(np.ceil(interval / longest * (1 - 1e-9))))
    gali, sali, divergence, diverged = _follow(dynamics, start, n_vectors, interval / n_steps, n_steps, n_times, seed)
    time = interval * np.arange(n_times + 1)
    crossed = gali < THRESHOLD
    crossing = np.where(crossed.any(axis=2), time[crossed.argmax(axis=2)], np.nan)
    gali[np.logical_or.accumulate(crossed, axis=2) & (time > crossing[..., None])] = np.nan  # from there on it is rounding
    return xr.Dataset(
        {
            "alignment_index": (("order", "trajectory", "time"), gali, {"units": "1", "long_name": "generalised alignment index"}),
            "smaller_alignment_index": (("trajectory", "time"), sali, {"units": "1", "long_name": "smaller alignment index"}),
            "crossing_time": (
                ("order", "trajectory"),
                crossing,
                {"units": unit_of(dynamics, "time"), "long_name": "time at which the alignment index is zero"},
            ),
        },
        {
            "order": ("order", np.arange(2, n_vectors + 1), {"long_name": "number of deviation vectors"}),
            "time": ("time", time, {"units": unit_of(dynamics, "time"), "long_name": "time"}),
        },
        {
            "dynamics": dynamics.name,
            "step": interval / n_steps,
            "threshold": THRESHOLD,
            "warnings": _warnings(dynamics, divergence, diverged) or "none",
        },
    )


def _follow(
    dynamics: Dynamics, start: Array, k: int, step: float, n_steps: int, n_times: int, seed: int
) -> tuple[Array, Array, float, int]:
    """GALI (order, trajectory, time), SALI (trajectory, time), the mean divergence, and how many trajectories diverged."""
    n, n_states = start.shape
    gali, sali = np.full((k - 1, n, n_times + 1), np.nan), np.full((n, n_times + 1), np.nan)
    size, frame = relative_sizes(dynamics), random_frame(n, k, n_states, seed)
    stepper = TangentStepper(dynamics, start, frame * size)
    reached = np.abs(start).max(axis=0) + dynamics.time_scale * np.abs(dynamics.rhs(0.0, start)).max(axis=0)
    alive, far = np.arange(n), _FAR * size * (float((reached / size).max()) or 1.0)
    gali[..., 0], sali[:, 0] = _indices(frame)
    total, elapsed, diverged = 0.0, 0, 0
    with np.errstate(over="ignore", invalid="ignore"):
        for i in range(1, n_times + 1):
            grown = np.zeros(len(alive))
            stepper.advance(step, n_steps, grown)
            near = np.asarray((np.abs(stepper.states) < far).all(axis=1) & np.isfinite(stepper.tangents).all(axis=(1, 2)))
            diverged += int((~near).sum())
            stepper.keep(near)
            alive, total, elapsed = alive[near], total + float(grown[near].sum()), elapsed + n_steps * int(near.sum())
            stepper.tangents /= np.linalg.norm(stepper.tangents / size, axis=2, keepdims=True)
            gali[:, alive, i], sali[alive, i] = _indices(stepper.tangents / size)
            going = gali[0, alive, i] >= THRESHOLD
            stepper.keep(going)
            alive = alive[going]
            if len(alive) == 0:
                break
    return gali, sali, total / max(elapsed, 1), diverged


def _indices(vectors: Array) -> tuple[Array, Array]:
    """GALI_2 to GALI_k (order, trajectory) and SALI (trajectory,) of unit vectors (trajectory, k, state)."""
    orders = range(2, vectors.shape[1] + 1)
    gali = np.stack([np.linalg.svd(vectors[:, :k], compute_uv=False).prod(axis=1) for k in orders])
    sums = [np.linalg.norm(vectors[:, 0] + sign * vectors[:, 1], axis=1) for sign in (1, -1)]
    return gali, np.minimum(*sums)


def _warnings(dynamics: Dynamics, divergence: float, diverged: int) -> str:
    found = []
    if diverged:
        found.append(f"{diverged} trajectories diverged and end there; choose other initial states.")
    if len(dynamics.states) < 4:
        found.append(f"with {len(dynamics.states)} states the index falls for regular orbits too, as a power of time.")
    if abs(divergence) > 1e-3 / dynamics.time_scale:
        found.append(
            f"volume is not kept (mean divergence {divergence:.2g}): vectors fall into line on regular orbits too; "
            "use lyapunov_spectrum to tell chaos from order."
        )
    return " ".join(found)
