"""What a fitted model answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physode.errors import DataError, NotFittedError, PhysodeError, unknown_name
from physode.fields import AbstractField
from physode.models.dynamics import LearnedDynamics
from physode.models.encoding import check_warmup
from physode.models.failures import warn_of_failures
from physode.models.layout import Layout
from physode.models.options import whole_number
from physode.models.seen import shares
from physode.training.result import FitResult
from physode.trajectories import check_record, input_values, values
from physode.trajectories.unit_algebra import rate_units

__all__ = ["FittedModel"]

Array = NDArray[np.float64]


def _check(ds: xr.Dataset, layout: Layout) -> None:
    """Raise DataError unless a record can be predicted by a model of this layout."""
    check_record(ds)
    layout.check(ds)


class FittedModel:
    """The half of a model that asks its learned dynamics; without them every answer is a NotFittedError.

    Attributes
    ----------
    dynamics_ : LearnedDynamics or None
        None until the model is fitted.
    """

    def __init__(self) -> None:
        self.dynamics_: LearnedDynamics | None = None
        self._result: FitResult | None = None
        self._digests = np.zeros(0, dtype=np.int64)

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
        """Unit of each state, and of time, "" where none is known."""
        layout = self._fitted().layout
        return {**{name: layout.attrs[name].get("units", "") for name in layout.states}, "time": layout.time_units}

    @property
    def time_scale(self) -> float:
        """Time constant of the training record, in its unit of time."""
        return self._fitted().scaling.time_scale

    @property
    def n_parameters(self) -> int:
        """Number of trained parameters of the field."""
        return sum(p.numel() for p in self.module_.parameters())

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
            of at least one state among the samples that its initial state is estimated from. Noise that it states weighs them; where it
            states none, that of the training record does.
        warmup : int, optional
            The initial state is estimated from the first `warmup` samples of each trajectory, the rest is forecast. Without it every
            sample is used: then the prediction is a smoother, not a forecast. Of trajectories of unequal length the longest one must
            have more samples; those that have not are smoothed.

        Returns
        -------
        xarray.Dataset
            All states, latent ones included, on the coordinates of `ds`. Where the learned field runs away, values are NaN from there on,
            and one `SimulationWarning` says in which trajectory and when; so it does where they are still numbers, but a million times as
            far from the mean as the training record ever was.

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
            Dimensions (trajectory, time); NaN where the learned field runs away, with a `SimulationWarning` as of `predict`.

        Raises
        ------
        PhysodeError
            If an observed state is missing, is not finite, or has another number of values than there are trajectories; if an input is
            missing; if `time` does not increase.
        """
        if np.asarray(time).dtype.kind in "Mm":
            raise PhysodeError("time holds dates or time spans; give numbers in the unit of time of the training record.")
        grid = np.asarray(time, dtype=np.float64)
        if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all() or not (np.diff(grid) > 0).all():
            raise PhysodeError("time must be a sequence of at least two finite increasing numbers.")
        result, drive = self._fitted().simulate(initial_state, grid, inputs or {})
        warn_of_failures(self._fitted(), result, drive)
        return result

    def vector_field(self, ds: xr.Dataset, states: xr.Dataset | None = None) -> xr.Dataset:
        """Slopes d<state>_dt of all states along a record.

        Parameters
        ----------
        ds : xarray.Dataset
            Gives the inputs.
        states : xarray.Dataset, optional
            All states of the model on the observations of `ds`. Default: what `predict` gives.
        """
        dynamics, states = self._fitted(), self.predict(ds) if states is None else states
        z = values(states, self.states)
        names = dynamics.layout.inputs
        u = input_values(dynamics.layout.as_fitted(ds), names).reshape(-1, len(names)) if names else None
        slopes = self.rhs(0.0, z.reshape(-1, z.shape[-1]), u).reshape(z.shape)
        units = self.units
        return xr.Dataset(
            {
                f"d{name}_dt": (
                    states[name].dims,
                    slopes[..., k],
                    {"units": rate_units(units[name], units["time"]), "role": "slope", "long_name": f"slope of {name}"},
                )
                for k, name in enumerate(self.states)
            },
            coords=states.coords,
        )

    def score(self, ds: xr.Dataset, warmup: int | None = None, *, metric: str = "r2") -> float:
        """Score the observed states of a record, those that were measured in it, by one number.

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
        found = simulation_error(self, ds, warmup)
        found = found.sel(state=[name for name in self._fitted().layout.observed if name in found["state"]])
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
            True where 15 or more measured samples in a row, or 30 % of them, are those of the training record, wherever in it; fewer may go
            unseen. Where samples are so coarse that more than one in ten repeats another of its trajectory, nearly all of them must be.
            Values count, not times; a record that was kept for validation does not.
        """
        layout, warmup = self._fitted().layout, whole_number("warmup", warmup, 0)
        _check(ds, layout)
        return shares(layout.as_fitted(ds), layout.observed, layout.inputs, self._digests, warmup)
