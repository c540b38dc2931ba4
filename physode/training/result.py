"""What a fit tells while it runs and when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FitResult", "OutOfTime", "Progress", "StopFit"]


@dataclass(frozen=True)
class Progress:
    """One accepted step of a running fit.

    Attributes
    ----------
    epoch : int
        Accepted steps so far.
    loss : float
        Root mean square residual in units of each state's standard deviation.
    nfev : int
        Evaluations of the field so far, each on the whole batch.
    wall_time : float
        Seconds since the start.
    stage : str
        "warm start", or the length of the shooting windows.
    """

    epoch: int
    loss: float
    nfev: int
    wall_time: float
    stage: str


class StopFit(Exception):
    """Raised by a callback to end a fit, a request and no error; the best model so far is kept, with the status "stopped".

    Parameters
    ----------
    reason : str, optional
        For `FitResult.message`.
    """

    status = "stopped"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class OutOfTime(StopFit):
    """Raised when the time budget is spent."""

    status = "time_budget"


@dataclass(frozen=True)
class FitResult:
    """How a fit ended, in the manner of scipy's OptimizeResult.

    Attributes
    ----------
    success : bool
        Whether the fit converged (by Adam: went through its schedule), its solver solved the learned equation, the learned field, run
        freely along the record, stayed near it, windows were short for chaos only, if at all, and the residual of every observed state
        can be noise: it is at most twice what the record states, or 1.2 times where neighbouring residuals are alike; where the record
        states none, or as much as the state varies, it is below half of the state's spread and neighbouring residuals are not alike; or
        it is below 1 % of the spread. With a `validation` record, windows may be short because they forecast it best: `window` tells.
    status : str
        "converged", "max_iterations", "time_budget", "interrupted" or "stopped".
    message : str
        The same in sentences, with a remedy where there is one, and what is odd in the record whether or not the model follows it:
        outliers, noise that is far less than stated, inputs that never change, velocities of the wrong sign.
    nfev : int
        Evaluations of the field, each on the whole batch.
    n_iterations : int
        Accepted optimiser steps; by L-BFGS and Adam, rounds of five steps that found a better point.
    wall_time : float
        Seconds.
    loss : float
        Final root mean square residual in units of each state's standard deviation; infinite where the fit ended before its first windows.
    noise_std : mapping of str to float
        Noise of each observed state in its own unit: as given by the record, or as estimated.
    solver_error : float
        Root mean square difference between the training solver and one with steps (or tolerances) eight times smaller on the learned
        field, over the training windows, in units of each state's standard deviation.
    window : float
        Duration of the longest shooting windows that were fitted, in the record's unit of time.
    history : mapping of str to list
        The fields of `Progress`, one entry for each of them.
    """

    success: bool
    status: str
    message: str
    nfev: int
    n_iterations: int
    wall_time: float
    loss: float
    noise_std: Mapping[str, float]
    solver_error: float
    window: float
    history: Mapping[str, list[float | int | str]]
