"""What all models share: an estimator in the manner of scikit-learn around a learned field."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from physode.errors import DataError, NotFittedError, PhysodeError, unknown_name
from physode.fields import ACTIVATIONS, AbstractField
from physode.models.dynamics import LearnedDynamics
from physode.models.encoding import check_warmup
from physode.models.failures import warn_of_failures
from physode.models.layout import Layout
from physode.models.options import finite_number, layer_widths, whole_number
from physode.models.scaling import Scaling
from physode.models.seen import digests, shares
from physode.models.train import train
from physode.solvers import get_solver
from physode.training.result import FitResult, Progress, StopFit
from physode.trajectories import check_record, input_values, validate, values

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


def _check(ds: xr.Dataset, layout: Layout) -> None:
    """Raise DataError unless a record can be predicted by a model of this layout."""
    check_record(ds)
    layout.check(ds)


class AbstractModel(ABC):
    """A neural ODE that is fitted to records.

    Parameters
    ----------
    hidden : sequence of int, default (32,)
        Widths of the hidden layers. The network bends a linear map that every field has beside it, so small ones go far.
    activation : {"tanh", "softplus", "silu", "sine"}, default "tanh"
    solver : str, default "rk4"
        "rk4", "rk5", "midpoint" or "euler" (fixed steps, per trajectory), "leapfrog" or "implicit-midpoint" (symplectic),
        "dopri5", "dopri8", "bosh3" or "adaptive_heun" (torchdiffeq's adaptive methods; all trajectories need the same times).
    gradient : {"backprop", "adjoint", "interpolated-adjoint", "second-order-adjoint"}, default "backprop"
        How L-BFGS and Adam differentiate; the adjoints need an adaptive solver. "adjoint" takes constant memory; "interpolated-adjoint"
        reads the state from the stored solution; "second-order-adjoint" is for second-order models.
    optimizer : {"auto", "levenberg-marquardt", "lbfgs", "adam"}, default "auto"
        "auto" takes Levenberg-Marquardt for explicit Runge-Kutta solvers and up to 2,000 parameters, or up to 1,000 measurements where
        every parameter has a prior (not the coupling of Hamiltonian models to inputs, nor port-Hamiltonian ones), and L-BFGS beyond that.
    max_iterations : int, default 100
        Optimiser steps on each length of windows, at least 1.
    tolerance : float, default 0.01
        The fit has converged when three steps in a row gain less than this share of the residual; with 0 it takes all its steps.
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
        max_iterations: int = 100,
        tolerance: float = 0.01,
        device: str | torch.device = "cpu",
        dtype: str = "float64",
    ) -> None:
        self.hidden = layer_widths(hidden)
        if activation not in ACTIVATIONS:
            raise unknown_name("activation", activation, ACTIVATIONS)
        if optimizer not in OPTIMIZERS:
            raise unknown_name("optimizer", optimizer, OPTIMIZERS)
        get_solver(solver, gradient)
        self.activation, self.solver, self.gradient, self.optimizer = activation, solver, gradient, optimizer
        self.max_iterations, self.tolerance = (
            whole_number("max_iterations", max_iterations, 1),
            finite_number("tolerance", tolerance, zero=True),
        )
        if dtype not in DTYPES:
            raise unknown_name("dtype", dtype, DTYPES)
        if not is_available(str(device)):
            raise PhysodeError(f"this torch cannot compute on device {device!r} here; use device='cpu', or install a torch that can.")
        self.device, self._dtype = str(device), dtype
        self.dynamics_: LearnedDynamics | None = None
        self._result: FitResult | None = None
        self._digests = np.zeros(0, dtype=np.int64)

    # What a family defines

    @abstractmethod
    def _layout(self, ds: xr.Dataset) -> Layout:
        """Components of the state for a record."""

    @abstractmethod
    def _field(self, layout: Layout) -> AbstractField:
        """A fresh field; draws from torch's default generator."""

    def _set_units(self, field: AbstractField, scaling: Scaling) -> None:  # noqa: B027 - most fields need not know
        """Tell a field where zero and the units of its record lie."""

    @abstractmethod
    def _scales(self, layout: Layout, mean: Array, scale: Array, time_scale: float) -> tuple[Array, Array]:
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
            Seconds after which the fit ends with the best model so far.
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
            With `result_`; ending the fit by Ctrl-C keeps the best model so far, with the status "interrupted".

        Raises
        ------
        DataError
            If the record breaks the data contract or cannot serve this model, or the validation record cannot be forecast.
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

    @property
    def result_(self) -> FitResult:
        """How the fit ended."""
        self._fitted()
        if self._result is None:
            raise NotFittedError("this model was made without a fit.")
        return self._result

    def _fitted(self) -> LearnedDynamics:
        if self.dynamics_ is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit(ds) first.")
        return self.dynamics_

    # What a fitted model answers

    @property
    def name(self) -> str:
        """Name for tables and figures."""
        return self.registry_name

    @property
    def module_(self) -> AbstractField:
        """The learned field, an nn.Module in scaled units."""
        return self._fitted().field

    @property
    def states(self) -> tuple[str, ...]:
        """Names of all components of the state, latent ones included."""
        return self._fitted().layout.states

    @property
    def units(self) -> dict[str, str]:
        """Unit of each state, and of time."""
        layout = self._fitted().layout
        return {**{name: layout.attrs[name].get("units", "1") for name in layout.states}, "time": layout.time_units}

    @property
    def time_scale(self) -> float:
        """Time constant of the training record, in its unit of time."""
        return self._fitted().scaling.time_scale

    @property
    def n_parameters(self) -> int:
        """Number of trained parameters of the field."""
        return sum(p.numel() for p in self.module_.parameters())

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

    def role(self, state: str) -> str:
        """Role of a state: position, velocity, momentum, state or augmented."""
        return self._fitted().layout.attrs[state]["role"]

    def rhs(self, t: ArrayLike, z: Array, u: Array | None = None) -> Array:
        """Evaluate dz/dt.

        Parameters
        ----------
        t : float or ndarray
            Not used: what is learned does not depend on time but through its inputs.
        z : ndarray, shape (batch, n_states)
            In the units of `units`.
        u : ndarray, shape (batch, n_inputs), optional
            Needed by a model with inputs.

        Returns
        -------
        ndarray, shape (batch, n_states)
        """
        return self._fitted().rhs(t, z, u)

    def jvp(self, t: ArrayLike, z: Array, v: Array, u: Array | None = None) -> Array:
        """Differentiate `rhs` at z in the directions v, of shape (batch, n_states) or (batch, k, n_states)."""
        return self._fitted().jvp(t, z, v, u)

    def rhs_and_jvp(self, t: ArrayLike, z: Array, v: Array, u: Array | None = None) -> tuple[Array, Array]:
        """`rhs` and `jvp` together, with v of shape (batch, k, n_states): the network's activations are computed once."""
        return self._fitted().rhs_and_jvp(t, z, v, u)

    def divergence(self, t: ArrayLike, z: Array, u: Array | None = None) -> Array:
        """Divergence of `rhs`, shape (batch,)."""
        return self._fitted().divergence(z, u)

    def sample_states(self, n: int, seed: int) -> Array:
        """Draw states of the training record, shape (n, n_states)."""
        reference = self._fitted().reference
        return reference[np.random.default_rng(seed).integers(len(reference), size=n)]

    def predict(self, ds: xr.Dataset, warmup: int | None = None) -> xr.Dataset:
        """Run the model along each trajectory of a record.

        Parameters
        ----------
        ds : xarray.Dataset
            A record with the observed states (and inputs) of the training record, in their units. Each trajectory needs a measurement
            of at least one state among the samples that its initial state is estimated from.
        warmup : int, optional
            The initial state is estimated from the first `warmup` samples of each trajectory, the rest is forecast. Without it every
            sample is used: then the prediction is a smoother, not a forecast. Of trajectories of unequal length the longest one must
            have more samples; those that have not are smoothed.

        Returns
        -------
        xarray.Dataset
            All states, latent ones included, on the coordinates of `ds`. Where the learned field runs away, values are NaN from there on,
            and one `SimulationWarning` says in which trajectory and when.

        Raises
        ------
        DataError
            If the record breaks the data contract, lacks a variable of the training record or has it in other units; if a trajectory has
            no measurement to start from, or none has samples after the first `warmup`.
        PhysodeError
            If `warmup` is no whole number of 1 or more.
        """
        warmup = None if warmup is None else whole_number("warmup", warmup, 1, ", or None for all samples")
        dynamics = self._fitted()
        _check(ds, dynamics.layout)
        check_warmup(ds, dynamics.layout.observed, warmup)
        result = dynamics.predict(ds, warmup)
        warn_of_failures(dynamics, result, ds)
        return result

    def simulate(self, initial_state: Mapping[str, ArrayLike], time: ArrayLike, *, inputs: Mapping[str, Any] | None = None) -> xr.Dataset:
        """Run the model from given initial states.

        Parameters
        ----------
        initial_state : mapping of str to float or array
            A number, or one number per trajectory, for each observed state. A latent velocity that is not given is zero, other
            latent components take their mean over the training record.
        time : array of float, shape (n,)
            Increasing, at least two, in the record's unit of time.
        inputs : mapping of str to array or (times, values), optional
            For a model with inputs: u on `time`, or with sample times of its own, which must cover `time`; values of shape (n,), or
            (trajectory, n). Between samples it is what it was in the training record: linear, or held.

        Returns
        -------
        xarray.Dataset
            Dimensions (trajectory, time); NaN where the learned field runs away, with a `SimulationWarning`.

        Raises
        ------
        PhysodeError
            If an observed state is missing, is not finite, or has another number of values than there are trajectories; if an input is
            missing; if `time` does not increase.
        """
        grid = np.asarray(time, dtype=np.float64)
        if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all() or not (np.diff(grid) > 0).all():
            raise PhysodeError("time must be a sequence of at least two finite increasing numbers.")
        result, drive = self._fitted().simulate(initial_state, grid, inputs or {})
        warn_of_failures(self._fitted(), result, drive)
        return result

    def vector_field(self, ds: xr.Dataset) -> xr.Dataset:
        """Slopes d<state>_dt of all states along the prediction of a record."""
        dynamics, states = self._fitted(), self.predict(ds)
        z = values(states, self.states)
        names = dynamics.layout.inputs
        u = input_values(ds, names).reshape(-1, len(names)) if names else None
        slopes = self.rhs(0.0, z.reshape(-1, z.shape[-1]), u).reshape(z.shape)
        units = self.units
        return xr.Dataset(
            {
                f"d{name}_dt": (states[name].dims, slopes[..., k], {"units": f"{units[name]} / ({units['time']})", "role": "slope"})
                for k, name in enumerate(self.states)
            },
            coords=states.coords,
        )

    def score(self, ds: xr.Dataset, warmup: int | None = None, *, metric: str = "r2") -> float:
        """Score the observed states of a record by one number.

        Parameters
        ----------
        ds : xarray.Dataset
            A record with the observed states (and inputs) of the training record.
        warmup : int, optional
            Score a free run: the initial state is estimated from the first `warmup` samples of each trajectory, and the samples after
            them are scored, which must not have been used in fitting. Without it the initial state is estimated from the whole record,
            and all of it is scored.
        metric : {"r2", "rmse"}, default "r2"
            "r2": coefficient of determination, averaged over the states. "rmse": root mean square error over all trajectories in the
            unit of the states, which must have one in common.

        Returns
        -------
        float

        Raises
        ------
        DataError
            If `warmup` is given and samples after it were used in fitting; if states of different units ask for one RMSE; or if the record
            cannot be predicted (`predict`).

        See Also
        --------
        physode.analysis.simulation_error : the same for each state and trajectory.

        Examples
        --------
        >>> import numpy as np, physode
        >>> from physode import systems
        >>> starts = {"x": [1.0, -0.5], "v": [0.0, 1.0]}
        >>> ds = systems.get("damped-oscillator").simulate(np.linspace(0, 10, 60), starts)
        >>> model = physode.NeuralODE(hidden=(4,)).fit(ds.isel(trajectory=[0]))
        >>> model.score(ds.isel(trajectory=[1]), warmup=10) > 0.999
        True
        >>> model.score(ds, warmup=10)
        Traceback (most recent call last):
        physode.errors.DataError: samples after the window of 10 were used in fitting this model, in trajectory 0: that would ...
        """
        from physode.analysis import simulation_error

        if metric not in ("r2", "rmse"):
            raise unknown_name("metric", metric, ("r2", "rmse"))
        found = simulation_error(self, ds, warmup).sel(state=list(self._fitted().layout.observed))
        if metric == "r2":
            return float(found["r2"].mean())
        units = sorted(set(found["units"].values.tolist()))
        if len(units) > 1:
            raise DataError(f"states in {' and '.join(units)} have no root mean square error in common; see analysis.simulation_error.")
        return float(np.sqrt((found["rmse"] ** 2 * found["scored"]).sum() / found["scored"].sum()))

    def seen(self, ds: xr.Dataset, warmup: int = 0) -> NDArray[np.bool_]:
        """Tell which trajectories hold, after their first `warmup` samples, something that the model was fitted to.

        A model that was read from a file without digests of its training record knows of none.

        Parameters
        ----------
        ds : xarray.Dataset
            A record with the observed states (and inputs) of the training record.
        warmup : int, default 0
            Samples that do not count.

        Returns
        -------
        ndarray of bool, shape (trajectory,)
            True where 15 or more measured samples in a row are those of the training record, wherever in it; fewer may go unseen.
            Values count, not times; a record that was kept for validation does not.
        """
        layout, warmup = self._fitted().layout, whole_number("warmup", warmup, 0)
        _check(ds, layout)
        return shares(ds, layout.observed, layout.inputs, self._digests, warmup)

    def save(self, path: Any) -> None:
        """Write the fitted model to a safetensors file; see `physode.load`."""
        from physode.models.storage import save

        save(self, path)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({given})"
