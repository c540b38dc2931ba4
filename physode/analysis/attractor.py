"""Does a model live on the right attractor, at the right pace, when no forecast can follow any more?"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.each import each
from physode.analysis.settings import not_negative, positive, whole
from physode.analysis.tangents import TangentStepper, choose_step
from physode.errors import DataError

__all__ = ["attractor_distance", "spectrum_distance", "state_space_divergence"]

_ALPHA: Final = 1e-5
_MOST_STATES: Final = 5
_TRANSIENT: Final = 300.0  # time scales
_FAR: Final = 1e6


@each
def attractor_distance(
    dynamics: Dynamics,
    truth: Dynamics,
    *,
    n_points: int = 100_000,
    n_trajectories: int = 20,
    step: float | None = None,
    n_bins: int = 30,
    smoothing: float = 20.0,
    seed: int = 0,
) -> xr.Dataset:
    """Compare where two dynamics go in the long run, and at what frequencies, beside what the truth differs from itself.

    Parameters
    ----------
    dynamics, truth : Dynamics
        A fitted model and the system that it should be. The states that both have are compared.
    n_points : int, default 100000
        Points per side, over all trajectories. Fewer make the floor rise steeply in three dimensions.
    n_trajectories : int, default 20
        Among which the points are shared; the model starts at its own states.
    step : float, optional
        Time between points. Default: a tenth of ``truth.time_scale``.
    n_bins : int, default 30
        Bins along each state for the states' divergence.
    smoothing : float, default 20
        Width of the Gaussian that smooths the power spectra, in frequencies of a spectrum of all points in one series.
    seed : int, default 0
        Of the initial states. The truth's second run, for the floor, takes the next seed.

    Returns
    -------
    xarray.Dataset
        ``state_space_divergence``, with ``state_space_divergence_floor``, and ``fraction_outside``, the part of the model's points that no
        bin holds; over ``state``, ``spectrum_distance`` and ``spectrum_distance_floor``. NaN when all the model's trajectories
        ran away; those that did are counted in ``n_diverged``.

    Raises
    ------
    DataError
        If the two share no state, or more than 5 (histograms are then empty).
    PhysodeError
        If a number is out of its range.

    Notes
    -----
    The first is blind to time, both are blind to phase: a time-reversed model scores perfectly. Read them with a forecast error.

    References
    ----------
    .. [1] Koppe et al., PLoS Comput. Biol. 15 (2019) e1007263, doi:10.1371/journal.pcbi.1007263.
    .. [2] Mikhaeil, Monfared, Durstewitz, NeurIPS 2022, arXiv:2110.07238.
    """
    whole(1, n_points=n_points, n_trajectories=n_trajectories, n_bins=n_bins)
    whole(0, seed=seed)
    positive(step=step)
    not_negative(smoothing=smoothing)
    names = [name for name in truth.states if name in dynamics.states]
    if not 1 <= len(names) <= _MOST_STATES:
        raise DataError(f"{dynamics.name!r} and {truth.name!r} share {len(names)} states; histograms take 1 to {_MOST_STATES}.")
    spacing = 0.1 * truth.time_scale if step is None else step
    n = max(2, n_points // n_trajectories)
    made = _long_run(dynamics, names, n, n_trajectories, spacing, seed)
    true, again = (_long_run(truth, names, n, n_trajectories, spacing, s) for s in (seed, seed + 1))
    if len(true) == 0 or len(again) == 0:
        raise DataError(f"all trajectories of {truth.name!r} ran away, so that there is nothing to compare with.")
    unknown = (float("nan"), float("nan"))
    divergence, outside = state_space_divergence(true, made, n_bins) if len(made) else unknown
    floor, _ = state_space_divergence(true, again, n_bins)
    spectra = spectrum_distance(true, made, smoothing) if len(made) else np.full(len(names), np.nan)
    return xr.Dataset(
        {
            "state_space_divergence": ((), divergence, {"units": "1", "long_name": "divergence of the states' distributions"}),
            "state_space_divergence_floor": ((), floor, {"units": "1", "long_name": "the same between two runs of the truth"}),
            "fraction_outside": ((), outside, {"units": "1", "long_name": "part of the points outside the true range"}),
            "spectrum_distance": ("state", spectra, {"units": "1", "long_name": "Hellinger distance of the power spectra"}),
            "spectrum_distance_floor": (
                "state",
                spectrum_distance(true, again, smoothing),
                {"units": "1", "long_name": "the same between two runs of the truth"},
            ),
            "n_diverged": ((), n_trajectories - len(made), {"units": "1", "long_name": "trajectories that ran away"}),
        },
        {"state": names},
        {"dynamics": dynamics.name, "truth": truth.name, "n_points": n * n_trajectories, "step": float(spacing)},
    )


def state_space_divergence(true: Array, made: Array, n_bins: int = 30) -> tuple[float, float]:
    """Kullback-Leibler divergence of binned states, true against made.

    Parameters
    ----------
    true, made : ndarray, shape (..., state)
        Points.
    n_bins : int, default 30
        Bins along each state, over the true range and a tenth of a standard deviation beyond. Empty bins count 1e-5 points.

    Returns
    -------
    divergence : float
        Zero if the same.
    fraction_outside : float
        Part of the made points that lie outside; they count in the normalisation, so that leaving the range is not free.

    Examples
    --------
    >>> points = np.random.default_rng(0).random((10_000, 1))
    >>> state_space_divergence(points, points)
    (0.0, 0.0)
    """
    true, made = true.reshape(-1, true.shape[-1]), made.reshape(-1, made.shape[-1])
    margin = 0.1 * true.std(axis=0)
    low, high = true.min(axis=0) - margin, true.max(axis=0) + margin
    width = np.where(high > low, high - low, 1.0) / n_bins
    shape = (n_bins,) * true.shape[1]
    counts, inside = [], []
    for points in (true, made):
        cell = np.floor((points - low) / width).astype(np.int64)
        within = ((cell >= 0) & (cell < n_bins)).all(axis=1)
        flat = np.ravel_multi_index(tuple(cell[within].T), shape)
        counts.append(np.bincount(flat, minlength=n_bins ** true.shape[1]).astype(np.float64))
        inside.append(float(within.mean()))
    p, q = ((count + _ALPHA) / (len(points) + _ALPHA * count.size) for count, points in zip(counts, (true, made), strict=True))
    return float(np.sum(p * np.log(p / q))), 1.0 - inside[1]


def spectrum_distance(true: Array, made: Array, smoothing: float = 20.0) -> Array:
    """Hellinger distance of smoothed power spectra, for each state.

    Parameters
    ----------
    true, made : ndarray, shape (trajectory, n, state)
        Evenly spaced series, of the same spacing and length.
    smoothing : float, default 20
        Width of the Gaussian, in frequencies of a spectrum of all points in one series. Without smoothing two runs of the
        same chaotic system are 0.45 apart.

    Returns
    -------
    ndarray, shape (state,)
        Between 0, the same, and 1.

    Examples
    --------
    >>> series = np.random.default_rng(0).standard_normal((3, 500, 2))
    >>> spectrum_distance(series, series).tolist()
    [0.0, 0.0]
    """
    first, second = (_spectrum(series, smoothing) for series in (true, made))
    return np.asarray(np.sqrt(np.maximum(0.5 * ((np.sqrt(first) - np.sqrt(second)) ** 2).sum(axis=0), 0.0)))


def _spectrum(series: Array, smoothing: float) -> Array:
    """Normalised mean power spectrum, (frequency, state)."""
    centred = series - series.mean(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(centred, axis=1)) ** 2).mean(axis=0)[1:]
    smooth = gaussian_filter1d(power, smoothing / len(series), axis=0) if smoothing > 0 else power
    total = smooth.sum(axis=0)
    return np.asarray(smooth / np.where(total > 0, total, 1.0))


def _long_run(dynamics: Dynamics, names: list[str], n: int, n_trajectories: int, spacing: float, seed: int) -> Array:
    """Points of long trajectories after their transient, (trajectory, n, state); those that run away are left out."""
    start = dynamics.sample_states(n_trajectories, seed)
    stepper = TangentStepper(dynamics, start, np.empty((len(start), 0, start.shape[1])))
    size = float(np.abs(start).max() + dynamics.time_scale * np.abs(dynamics.rhs(0.0, start)).max()) or 1.0
    columns = [dynamics.states.index(name) for name in names]
    n_steps = max(1, int(np.ceil(spacing / choose_step(dynamics, start) - 1e-9)))
    points = np.empty((n_trajectories, n, len(names)))
    kept = np.arange(n_trajectories)
    with np.errstate(over="ignore", invalid="ignore"):
        stepper.advance(spacing / n_steps, round(_TRANSIENT * dynamics.time_scale / spacing) * n_steps)
        for i in range(n):
            stepper.advance(spacing / n_steps, n_steps)
            near = np.asarray((np.abs(stepper.states) < _FAR * size).all(axis=1))
            if not near.all():
                stepper.keep(near)
                kept = kept[near]
            points[kept, i] = stepper.states[:, columns]
    return points[kept]
