"""Lyapunov exponents over short stretches of trajectories: how unequally stretching is spread over an attractor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physode.analysis.dynamics import Dynamics, unit_of
from physode.analysis.each import each
from physode.analysis.lyapunov_checks import checks_of, standard_errors, warnings_of
from physode.analysis.lyapunov_run import run
from physode.analysis.lyapunov_settings import DURATION, TRANSIENT, exponent_count, rate_unit, start_states
from physode.analysis.settings import not_negative, positive, whole
from physode.errors import PhysodeError

__all__ = ["local_exponents"]

_WINDOW: Final = 10.0  # in time scales: more than one oscillation, fewer than the motion takes to forget itself


@each
def local_exponents(
    dynamics: Dynamics,
    *,
    window: float | None = None,
    n_exponents: int | None = None,
    step: float | None = None,
    n_trajectories: int = 64,
    duration: float | None = None,
    transient: float | None = None,
    seed: int = 0,
    initial_states: Mapping[str, ArrayLike] | ArrayLike | None = None,
) -> xr.Dataset:
    """Finite-time (local) Lyapunov exponents along trajectories, and how they scatter.

    The growth of each direction of an orthonormal frame that is carried along, over one window after the other, in units of the
    states' sizes where these differ much. The frame has settled during the transient, so that the mean over all windows is the
    Lyapunov spectrum.

    Parameters
    ----------
    dynamics : Dynamics
        A System or a fitted model.
    window : float, optional
        Duration of a window. Default: 10 ``dynamics.time_scale``.
    n_exponents : int, optional
        How many, from the largest. Default: all.
    step : float, optional
        Longest step of the Runge-Kutta 4; it is shortened to fit into the window. Default: as in `lyapunov_spectrum`.
    n_trajectories : int, default 64
        Number of initial states.
    duration, transient : float, optional
        Time that is cut into windows, and time that is run before. Defaults: 1600 and 300 ``dynamics.time_scale``.
    seed : int, default 0
        Of the initial states and the first tangents.
    initial_states : mapping or array, optional
        Instead of ``dynamics.sample_states``: a number, or one per trajectory, for each state; or (trajectory, state).

    Returns
    -------
    xarray.Dataset
        ``local_exponent(exponent, trajectory, time)``, in inverse time units, ``time`` being the start of the window;
        ``lyapunov_exponent(exponent)``, their mean, with its ``standard_error(exponent)`` as in `lyapunov_spectrum`;
        ``standard_deviation(exponent)`` between windows, and ``positive_fraction(exponent)``, the part of the windows in which
        the direction grew. Trajectories that diverged are left out. Attributes: window, step, duration, transient, ``checks``
        (JSON) and ``warnings``.

    Raises
    ------
    PhysodeError
        If a number is out of its range, or the window is longer than the duration.

    Notes
    -----
    The scatter depends on the window: for Lorenz' system the largest exponent's standard deviation is 0.32 over 5 time units
    and 0.15 over 10, falling like 1/window at first and like its root later.

    References
    ----------
    .. [1] Abarbanel, Brown, Kennel, J. Nonlinear Sci. 1 (1991) 175, doi:10.1007/BF01209065.
    .. [2] Eckhardt, Yao, Physica D 65 (1993) 100, doi:10.1016/0167-2789(93)90007-N.

    Examples
    --------
    >>> from physode import systems
    >>> found = local_exponents(systems.get("damped-oscillator"), window=5.0, duration=50.0, n_trajectories=2)
    >>> dict(found.local_exponent.sizes)
    {'exponent': 2, 'trajectory': 2, 'time': 10}
    """
    k, scale = exponent_count(dynamics, n_exponents), dynamics.time_scale
    whole(1, n_trajectories=n_trajectories)
    whole(0, seed=seed)
    positive(window=window, step=step, duration=duration)
    not_negative(transient=transient)
    duration = DURATION * scale if duration is None else float(duration)
    transient = TRANSIENT * scale if transient is None else float(transient)
    window = min(_WINDOW * scale, duration) if window is None else float(window)
    if window > duration:
        raise PhysodeError(f"window is {window:g}, longer than the duration of {duration:g}; give a shorter window or a longer duration.")
    start = start_states(dynamics, n_trajectories, seed, initial_states)
    done = run(dynamics, start, k, step, duration, transient, seed, window)
    local = done.growth / done.lengths[:, None, None]
    mean = local.mean(axis=(0, 1)) if local.shape[1] else np.full(k, np.nan)
    order = np.argsort(-mean, kind="stable")
    exponents, errors, local = mean[order], standard_errors(done)[order], local[..., order]
    spread = local.std(axis=(0, 1), ddof=1) if local[..., 0].size > 1 else np.full(k, np.nan)
    checks = checks_of(dynamics, done, exponents, errors, float(done.divergence.mean()) if len(done.divergence) else np.nan)
    unit = {"units": rate_unit(dynamics)}
    return xr.Dataset(
        {
            "local_exponent": (
                ("exponent", "trajectory", "time"),
                local.transpose(2, 1, 0),
                unit | {"long_name": "local Lyapunov exponent"},
            ),
            "lyapunov_exponent": ("exponent", exponents, unit | {"long_name": "Lyapunov exponent"}),
            "standard_error": ("exponent", errors, unit | {"long_name": "standard error of the Lyapunov exponent"}),
            "standard_deviation": ("exponent", spread, unit | {"long_name": "standard deviation of the local Lyapunov exponent"}),
            "positive_fraction": (
                "exponent",
                (local > 0).mean(axis=(0, 1)) if local.shape[1] else np.full(k, np.nan),
                {"units": "1", "long_name": "fraction of windows in which the direction grew"},
            ),
        },
        {
            "exponent": ("exponent", np.arange(1, k + 1), {"long_name": "number of the exponent"}),
            "time": (
                "time",
                transient + window * np.arange(len(done.lengths)),
                {"units": unit_of(dynamics, "time"), "long_name": "start of the window"},
            ),
        },
        {
            "dynamics": dynamics.name,
            "window": window,
            "step": done.step,
            "duration": float(done.lengths.sum()),
            "transient": transient,
            "n_trajectories": local.shape[1],
            "checks": json.dumps(checks),
            "warnings": " ".join(warnings_of(dynamics, done, checks)) or "none",
        },
    )
