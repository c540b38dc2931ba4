"""Many fits of one model as one batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import xarray as xr
from tqdm.auto import tqdm

from physode.models.base import AbstractModel
from physode.models.options import seed_numbers
from physode.models.train import train
from physode.training.result import Progress
from physode.trajectories import validate

__all__ = ["fit_records", "fit_seeds"]

Model = TypeVar("Model", bound=AbstractModel)


def fit_seeds(
    model: Model,
    ds: xr.Dataset,
    seeds: int | Iterable[int] = 8,
    *,
    time_budget: float | None = None,
    callback: Callable[[Progress], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> dict[int, Model]:
    """Fit a model to a record from many seeds at once.

    The members are fitted as one batch: every evaluation, and every step of Levenberg-Marquardt, is one call for all of them, which
    takes little longer than for one. Each member has its own damping, noise and regularisation and ends by itself, with the numbers that
    it would have reached alone but for rounding. (Where a record is so large that a fit draws windows, all members draw the same.)
    By L-BFGS and Adam members are fitted one after another.

    Parameters
    ----------
    model : AbstractModel
        Gives class and hyperparameters; it stays unfitted.
    ds : xarray.Dataset
        A record (`physode.validate`).
    seeds : int or iterable of int, default 8
        Seeds, or how many, from 0 on.
    time_budget, callback, checkpoint : optional
        See `AbstractModel.fit`; of the members together. The loss of a `Progress` is the median of the members that moved. An exception of
        the callback other than `StopFit` ends the fit with nothing but the checkpoint, which holds every step before it.
    progress : bool, default False
        Show a progress bar with the median loss.

    Returns
    -------
    dict of int to AbstractModel
        A fitted model for each seed. Their `result_.nfev` and `result_.wall_time` are those of the whole batch.

    Raises
    ------
    DataError, FitError
        As `AbstractModel.fit`.

    See Also
    --------
    physode.Ensemble : members that differ by what could as well have been measured.
    physode.compare : many models and seeds, with a table, figures and a report.

    Examples
    --------
    >>> import numpy as np, physode
    >>> from physode import systems
    >>> ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 6, 30))
    >>> models = physode.fit_seeds(physode.NeuralODE(hidden=(4,)), ds, seeds=3)
    >>> [models[seed].score(ds) > 0.99999 for seed in models]
    [True, True, True]
    """
    return fit_records(
        model, [ds], seed_numbers(seeds), progress=progress, callback=callback, time_budget=time_budget, checkpoint=checkpoint
    )


def fit_records(
    model: Model,
    records: Sequence[xr.Dataset],
    seeds: Sequence[int],
    *,
    progress: bool = False,
    callback: Callable[[Progress], None] | None = None,
    **options: Any,
) -> dict[int, Model]:
    """Fit a model to one record for all seeds, or to one for each, with the same times, inputs and gaps; see `fit_seeds`."""
    for record in records:
        validate(record)
    bar = tqdm(desc=type(model).__name__, unit=" step", disable=None if progress else True)

    def show(state: Progress) -> None:
        bar.update(1)
        bar.set_postfix(loss=f"{state.loss:.3g}", nfev=state.nfev, stage=state.stage)
        if callback is not None:
            callback(state)

    with bar:
        fits = train(model, records, seeds, callback=show, **options)
    out = {}
    for number, (seed, fit) in enumerate(zip(seeds, fits, strict=True)):
        out[seed] = type(model)(**model.get_params())._take(records[min(number, len(records) - 1)], *fit)
    return out
