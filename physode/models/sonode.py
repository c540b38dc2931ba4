"""Second-order neural ODE."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import unknown_name
from physode.fields import AbstractField, FirstOrderField, SecondOrderField
from physode.models.base import AbstractModel
from physode.models.layout import Layout, pair_layout
from physode.models.partners import guess_partners
from physode.training.smoothing import Smoothed

__all__ = ["SecondOrderNeuralODE"]

Array = NDArray[np.float64]


class SecondOrderNeuralODE(AbstractModel):
    """d2x/dt2 = f(x, dx/dt, u), from positions alone or from positions and velocities.

    A variable whose attribute ``time_derivative_of`` names another one is its velocity; every other state is a position. The
    velocity of a position that has none in the record is learned, under the name ``<position>_velocity``.

    Parameters
    ----------
    initial_velocity : {"free", "learned"}, default "free"
        "free": the initial velocity is learned for each trajectory, and estimated for a new one. "learned": a network gives it from
        the initial position, dx/dt(0) = g(x(0)), as in the paper; it is fitted to the initial velocities of the training record.
    hidden, activation, solver, gradient, optimizer, max_iterations, tolerance
        See `AbstractModel`.

    Notes
    -----
    To give the initial velocity, put the velocity into the record with a value at the first time and NaN elsewhere.

    References
    ----------
    .. [1] A. Norcliffe, C. Bodnar, B. Day, N. Simidjievski, P. Lio, "On second order behaviour in augmented neural ODEs",
       NeurIPS 2020. doi:10.48550/arXiv.2006.07220

    Examples
    --------
    >>> import numpy as np, physode
    >>> from physode import systems
    >>> ds = systems.get("pendulum").simulate(np.linspace(0, 5, 60), n_trajectories=4, observe=["theta"])
    >>> model = physode.SecondOrderNeuralODE().fit(ds)
    >>> velocity = model.predict(ds)["omega"]
    >>> float(abs(velocity - ds["omega_true"]).max()) < 0.02
    True
    """

    registry_name = "sonode"
    reference = "Norcliffe, Bodnar, Day, Simidjievski & Lio (2020). On second order behaviour in augmented neural ODEs. NeurIPS 33."
    doi = "10.48550/arXiv.2006.07220"

    def __init__(self, *, initial_velocity: str = "free", **settings: Any) -> None:
        super().__init__(**settings)
        if initial_velocity not in ("free", "learned"):
            raise unknown_name("initial_velocity", initial_velocity, ("free", "learned"))
        self.initial_velocity = initial_velocity

    def get_params(self) -> dict[str, Any]:
        """Hyperparameters as given, JSON-ready."""
        return {"initial_velocity": self.initial_velocity, **super().get_params()}

    def _start(self, layout: Layout) -> AbstractField | None:
        if self.initial_velocity == "free":
            return None
        return FirstOrderField(len(layout.states) // 2, 0, self.hidden, self.activation)

    def _layout(self, ds: xr.Dataset) -> Layout:
        return pair_layout(ds, "velocity")

    def _field(self, layout: Layout) -> AbstractField:
        return SecondOrderField(len(layout.states) // 2, len(layout.inputs), self.hidden, self.activation)

    def _scales(self, layout: Layout, raw: Smoothed, mean: Array, scale: Array, time_scale: float) -> tuple[Array, Array]:
        positions = [layout.observed.index(name) for name in layout.states[: len(layout.states) // 2]]
        full_mean = np.concatenate([mean[positions], np.zeros(len(positions))])
        return full_mean, np.concatenate([scale[positions], scale[positions] / time_scale])

    def _guess(self, layout: Layout, smoothed: tuple[Array, Array, Array], rng: np.random.Generator) -> tuple[Array, Array]:
        n = len(layout.states) // 2
        x = [layout.observed.index(name) for name in layout.states[:n]]
        velocity, force = guess_partners(layout, smoothed)
        force = np.where(np.isfinite(smoothed[1][..., x]), force, np.nan)  # no force is known where no position is
        return np.concatenate([smoothed[0][..., x], velocity], axis=-1), np.concatenate([velocity, force], axis=-1)
