"""What all models share: an estimator in the manner of scikit-learn around a learned field."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from physode.errors import PhysodeError, unknown_name
from physode.fields import ACTIVATIONS, AbstractField
from physode.models.dynamics import LearnedDynamics
from physode.models.fitted import FittedModel
from physode.models.layout import Layout
from physode.models.options import finite_number, layer_widths, whole_number
from physode.models.scaling import Scaling
from physode.models.seen import digests
from physode.models.train import train
from physode.solvers import get_solver
from physode.training.result import FitResult, Progress, StopFit
from physode.training.smoothing import Smoothed
from physode.trajectories import validate

__all__ = ["AbstractModel"]

Array = NDArray[np.float64]
OPTIMIZERS = ("auto", "levenberg-marquardt", "lbfgs", "adam")
DTYPES = {"float64": torch.float64, "float32": torch.float32}


def is_available(device: str) -> bool:
    """Tell whether torch can compute on a device."""
    try:
        torch.zeros(1, device=device).item()  # a meta device has tensors without numbers
    except (RuntimeError, AssertionError):
        return False
    return True


class AbstractModel(FittedModel, ABC):
    """A neural ODE that is fitted to records.

    Parameters
    ----------
    hidden : sequence of int, default (32,)
        Widths of the hidden layers. The network bends a linear map that every field has beside it, so small ones go far.
    activation : {"tanh", "softplus", "silu", "sine"}, default "tanh"
    solver : str, default "rk4"
        "rk4", "rk5", "midpoint" or "euler" (fixed steps, per trajectory), "leapfrog" or "implicit-midpoint" (symplectic),
        "dopri5", "dopri8", "bosh3" or "adaptive_heun" (torchdiffeq's adaptive methods, whose steps all windows share).
    gradient : {"backprop", "adjoint", "interpolated-adjoint", "second-order-adjoint"}, default "backprop"
        How L-BFGS and Adam differentiate; the adjoints need an adaptive solver. "adjoint" takes constant memory; "interpolated-adjoint"
        reads the state from the stored solution; "second-order-adjoint" is for second-order models.
    optimizer : {"auto", "levenberg-marquardt", "lbfgs", "adam"}, default "auto"
        "auto" takes Levenberg-Marquardt for explicit Runge-Kutta solvers and up to 2,000 parameters, or up to 1,000 measurements where
        every parameter has a prior (not the coupling of Hamiltonian models to inputs, nor port-Hamiltonian ones), and L-BFGS beyond that.
    max_iterations : int, optional
        Most optimiser steps on each length of windows, at least 1; by default 100, and of L-BFGS and Adam, whose steps cost and gain
        less, 1,000.
    tolerance : float, default 0.001
        The fit has converged when three steps in a row (of L-BFGS: three times five) gain less than this share of the residual; with 0
        it takes all its steps, as Adam does in any case. Below a residual of about 0.0003 standard deviations a larger share is asked
        for, in proportion. With 0.01 the 15 records of benchmarks/defaults.py take 0.5 to 1.1 times as long, and the errors on their
        validation records are 0.9 to 2.5 times as large; 20,000 points of the Lorenz system without noise take a third (9 s in place of 20
        to 35 s), and end with a residual of 0.001 in place of 0.0001.
    device : str or torch.device, default "cpu"
        Where the model is fitted and run: "cpu", "cuda", "cuda:1", ... On a graphics card a single small model is slower than on the
        processor; members that are fitted together are what it is for.
    dtype : {"float64", "float32"}, default "float64"
        Type of parameters and states. Single precision ends at a relative error of about 1e-5.

    Raises
    ------
    PhysodeError
        If an option is no value of its kind, or torch cannot compute on the device here.
    """

    registry_name: ClassVar[str]
    """Name in `physode.models.MODELS`."""
    reference: ClassVar[str]
    """Paper that introduced the model."""
    doi: ClassVar[str]

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (32,),
        activation: str = "tanh",
        solver: str = "rk4",
        gradient: str = "backprop",
        optimizer: str = "auto",
        max_iterations: int | None = None,
        tolerance: float = 0.001,
        device: str | torch.device = "cpu",
        dtype: str = "float64",
    ) -> None:
        super().__init__()
        self.hidden = layer_widths(hidden)
        if activation not in ACTIVATIONS:
            raise unknown_name("activation", activation, ACTIVATIONS)
        if optimizer not in OPTIMIZERS:
            raise unknown_name("optimizer", optimizer, OPTIMIZERS)
        get_solver(solver, gradient)
        self.activation, self.solver, self.gradient, self.optimizer = activation, solver, gradient, optimizer
        self.max_iterations, self.tolerance = (
            None if max_iterations is None else whole_number("max_iterations", max_iterations, 1),
            finite_number("tolerance", tolerance, zero=True),
        )
        if dtype not in DTYPES:
            raise unknown_name("dtype", dtype, DTYPES)
        if not is_available(str(device)):
            raise PhysodeError(f"this torch cannot compute on device {device!r} here; use device='cpu', or install a torch that can.")
        self.device, self._dtype = str(device), dtype

    # What a family defines

    @abstractmethod
    def _layout(self, ds: xr.Dataset) -> Layout:
        """Components of the state for a record."""

    @abstractmethod
    def _field(self, layout: Layout) -> AbstractField:
        """A fresh field; draws from torch's default generator."""

    def _set_units(self, field: AbstractField, scaling: Scaling) -> None:
        """Tell a field where zero and the units of its record lie."""

    @abstractmethod
    def _scales(self, layout: Layout, raw: Smoothed, mean: Array, scale: Array, time_scale: float) -> tuple[Array, Array]:
        """Mean and scale of every component from those of the observed ones."""

    @abstractmethod
    def _guess(self, layout: Layout, smoothed: tuple[Array, Array, Array], rng: np.random.Generator) -> tuple[Array, Array]:
        """Scaled states and slopes of every component from the scaled observed ones and their first two slopes.

        All arrays have the shape (trajectory, n, components).
        """

    def _initial_precision(self, layout: Layout) -> Array:
        """Prior precision of each component of an initial state around its guess; weak."""
        return np.ones(len(layout.states))

    def _start(self, layout: Layout) -> AbstractField | None:
        """A fresh map from first positions to first velocities, for models that learn one."""
        return None

    def get_params(self) -> dict[str, Any]:
        """Hyperparameters as given, JSON-ready."""
        names = ("hidden", "activation", "solver", "gradient", "optimizer", "max_iterations", "tolerance", "device")
        given = {name: list(value) if isinstance(value := getattr(self, name), tuple) else value for name in names}
        return {**given, "dtype": self._dtype}

    # Fitting

    def fit(
        self,
        ds: xr.Dataset,
        seed: int = 0,
        *,
        validation: xr.Dataset | None = None,
        time_budget: float | None = None,
        callback: Callable[[Progress], None] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: bool = False,
    ) -> Self:
        """Fit the model to a record.

        Parameters
        ----------
        ds : xarray.Dataset
            A record (`physode.validate`). Missing values are NaN; a state of which only some values are known, such as a velocity
            at the first time alone, is fitted where it is known. Noise given as ``<state>_noise_std`` is used as it is, with one number
            for each trajectory or measurement as its weight, otherwise it is estimated. Inputs are linear or held between samples,
            on a clock of their own or that of the observations; steps end at their samples.
        seed : int, default 0
            For the initial weights; 0 or more.
        validation : xarray.Dataset, optional
            Held-out record: of the stages of the fit (ever longer windows) the one that predicts it best is kept.
        time_budget : float, optional
            Seconds after which the fit ends with the best model so far, in the midst of a step too, but for the first one. What it takes
            to keep that model comes on top: one run along the record, a forecast of the validation record, and the reverse pass of torch
            that was under way. Before the first step on windows is done there is but the warm start, of infinite loss. (A step can take
            long where the record pauses for thousands of time constants; make two trajectories of such a one.)
        callback : callable, optional
            Called with a `Progress` after each accepted step; it may raise `physode.training.StopFit`. Any other exception ends the fit
            and is raised once the best model so far is kept.
        checkpoint : path, optional
            File in which the fit is kept while it runs: every ten seconds, after each stage, and when it is stopped (by the time budget,
            the callback or Ctrl-C). If it is there already the fit goes on from it, to the numbers that it would have reached without the
            stop; a file of another fit is refused. Delete it when it is not needed any more.
        progress : bool, default False
            Show a progress bar with loss and evaluations.

        Returns
        -------
        self
            With `result_`; ending the fit by Ctrl-C keeps the best model so far, with the status "interrupted". While the record is still
            being smoothed there is none, and KeyboardInterrupt is raised.

        Raises
        ------
        DataError
            If the record breaks the data contract or cannot serve this model; if the validation record cannot be forecast, or is part of
            the record itself.
        PhysodeError
            If `seed` is no whole number of 0 or more, or `time_budget` no positive number; if `checkpoint` is that of another fit, or
            cannot be written.
        FitError
            If nothing could be fitted.

        Examples
        --------
        >>> import numpy as np, physode
        >>> from physode import systems
        >>> ds = systems.get("damped-oscillator").simulate(np.linspace(0, 10, 60), n_trajectories=3, observe=["x"])
        >>> model = physode.SecondOrderNeuralODE().fit(ds, seed=0)
        >>> model.result_.status
        'converged'
        """
        validate(ds)
        seed = whole_number("seed", seed, 0)
        bar = tqdm(desc=type(self).__name__, unit=" step", disable=None if progress else True)

        def show(state: Progress) -> None:
            bar.update(1)
            bar.set_postfix(loss=f"{state.loss:.3g}", nfev=state.nfev, stage=state.stage)
            if callback is None:
                return
            try:
                callback(state)
            except StopFit:
                raise
            except Exception as error:
                failed.append(error)
                raise StopFit(f"it failed: {error!r}") from error

        failed: list[Exception] = []
        with bar:
            fits = train(self, [ds], [seed], validation=validation, time_budget=time_budget, callback=show, checkpoint=checkpoint)
        ((dynamics, result),) = fits
        self._take(ds, dynamics, result)
        if failed:
            raise failed[0]
        return self

    def _take(self, ds: xr.Dataset, dynamics: LearnedDynamics, result: FitResult) -> Self:
        """Take a finished fit to a record over."""
        self.dynamics_, self._result = dynamics, result
        self._digests = digests(ds, dynamics.layout.observed, dynamics.layout.inputs)
        return self

    # What it is

    @property
    def name(self) -> str:
        """Name for tables and figures."""
        return self.registry_name

    @property
    def dtype(self) -> np.dtype[Any]:
        """Floating-point type of parameters and states."""
        if self.dynamics_ is None:
            return np.dtype(self._dtype)
        return np.dtype(str(self.dynamics_.place[1]).removeprefix("torch."))

    @property
    def _place(self) -> dict[str, Any]:
        """Where tensors lie, and their type."""
        return {"device": torch.device(self.device), "dtype": DTYPES[self._dtype]}

    def save(self, path: Any) -> None:
        """Write the fitted model to a safetensors file; see `physode.load`."""
        from physode.models.storage import save

        save(self, path)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({given})"
