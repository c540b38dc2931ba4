"""Port-Hamiltonian neural ODE."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from physode.errors import PhysodeError
from physode.fields import AbstractField, PortHamiltonianField
from physode.models.base import AbstractModel
from physode.models.dynamics import to_numpy
from physode.models.layout import Layout, plain_layout
from physode.models.options import whole_number
from physode.training.smoothing import Smoothed, at_rest

__all__ = ["PortHamiltonianNeuralODE"]

Array = NDArray[np.float64]


class PortHamiltonianNeuralODE(AbstractModel):
    """dz/dt = (J - R) dH/dz + G u: a learned energy H that is passed on by J, spent by R, and supplied through the inputs.

    z holds the observed states as they are and `n_augmented` more that nobody measured. J is skew-symmetric, R is symmetric and never
    negative, both are the same everywhere, and H grows far from the record: without inputs no motion can run away, whatever was learned.

    Parameters
    ----------
    n_augmented : int, default 0
        Number of augmented components: stores of energy that the record does not show, such as the upper one of two tanks.
    convex : bool, default False
        Whether H is convex: one place of rest for each constant input, to which every motion comes if R is positive. Then H is made of
        softplus units in one hidden layer, for which eight serve well, and `activation` says nothing.
    hidden, activation, solver, gradient, optimizer, max_iterations, tolerance
        See `AbstractModel`.

    Raises
    ------
    PhysodeError
        If H shall be convex and `hidden` is not one layer.

    Notes
    -----
    A gain of energy that no input supplies, as in a van der Pol oscillator, is beyond this family, and so is friction that changes from
    place to place. J, R and H are not determined by the data one by one: a change of coordinates changes them together.

    References
    ----------
    .. [1] S. A. Desai, M. Mattheakis, D. Sondak, P. Protopapas, S. J. Roberts, "Port-Hamiltonian neural networks for learning explicit
       time-dependent dynamical systems", Physical Review E 104 (2021) 034312. doi:10.1103/PhysRevE.104.034312
    .. [2] F. J. Roth, D. K. Klein, M. Kannapinn, J. Peters, O. Weeger, "Stable port-Hamiltonian neural networks", 2025.
       doi:10.48550/arXiv.2502.02480

    Examples
    --------
    >>> import numpy as np, physode
    >>> from physode import systems
    >>> ds = systems.get("damped-oscillator").simulate(np.linspace(0, 10, 60), n_trajectories=3)
    >>> model = physode.PortHamiltonianNeuralODE(hidden=(4,)).fit(ds)
    >>> energy = model.hamiltonian(model.predict(ds)[["x", "v"]].to_array().values[:, 0].T)
    >>> bool((np.diff(energy) < 1e-9).all())
    True
    """

    registry_name = "phnn"
    reference = "Desai, Mattheakis, Sondak, Protopapas & Roberts (2021). Port-Hamiltonian neural networks. Physical Review E 104, 034312."
    doi = "10.1103/PhysRevE.104.034312"

    def __init__(self, *, n_augmented: int = 0, convex: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.n_augmented, self.convex = whole_number("n_augmented", n_augmented, 0), bool(convex)
        if self.convex and len(self.hidden) != 1:
            raise PhysodeError(f"hidden is {self.hidden} and convex is True: a convex energy has one hidden layer; give hidden=(8,).")

    def get_params(self) -> dict[str, Any]:
        """Hyperparameters as given, JSON-ready."""
        return {"n_augmented": self.n_augmented, "convex": self.convex, **super().get_params()}

    def hamiltonian(self, z: Array) -> Array:
        """Learned energy of states of shape (batch, n_states), shape (batch,).

        It is defined up to a constant, here such that the mean over the training record is zero, and up to a factor: without unit.
        """
        dynamics = self._fitted()
        field = cast(PortHamiltonianField, dynamics.field)

        def raw(states: Array) -> Array:
            scaled = dynamics._tensor((np.asarray(states, dtype=np.float64) - dynamics.scaling.mean) / dynamics.scaling.scale)
            with torch.no_grad():
                return to_numpy(field.hamiltonian(scaled))

        return np.asarray(raw(z) - raw(dynamics.reference).mean())

    def _layout(self, ds: xr.Dataset) -> Layout:
        return plain_layout(ds, self.n_augmented)

    def _field(self, layout: Layout) -> AbstractField:
        return PortHamiltonianField(len(layout.states), len(layout.inputs), self.hidden, self.activation, convex=self.convex)

    def _scales(self, layout: Layout, raw: Smoothed, mean: Array, scale: Array, time_scale: float) -> tuple[Array, Array]:
        extra = len(layout.latent)
        return np.concatenate([mean, np.zeros(extra)]), np.concatenate([scale, np.ones(extra)])

    def _guess(self, layout: Layout, smoothed: tuple[Array, Array, Array], rng: np.random.Generator) -> tuple[Array, Array]:
        value, first, second = smoothed
        n_observed, extra = value.shape[-1], len(layout.latent)
        mixture = np.concatenate([np.zeros((n_observed, extra)), np.eye(n_observed, extra)])
        mixture[:, n_observed:] = rng.standard_normal(mixture[:, n_observed:].shape)  # more stores than there are slopes
        hidden = np.concatenate([value, at_rest(first, value)], axis=-1) @ mixture
        slope = np.concatenate([first, second], axis=-1) @ mixture
        return np.concatenate([value, hidden], axis=-1), np.concatenate([first, slope], axis=-1)
