"""Hamiltonian neural network, fitted through the solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from physode.fields import AbstractField, HamiltonianField
from physode.models.base import AbstractModel
from physode.models.dynamics import to_numpy
from physode.models.layout import Layout, pair_layout

__all__ = ["HamiltonianNeuralODE"]

Array = NDArray[np.float64]


class HamiltonianNeuralODE(AbstractModel):
    """dq/dt = dH/dp, dp/dt = -dH/dq + G u with a learned energy H(q, p).

    A variable whose attribute ``conjugate_to`` names another one is its momentum; a velocity (``time_derivative_of``) is taken as
    one too, which is exact when the mass is constant. Every other state is a position; a momentum that the record does not have
    is learned, under the name ``<position>_momentum``.

    Parameters
    ----------
    separable : bool, default False
        Whether H = T(p) + V(q), as the leapfrog solver needs.
    hidden, activation, solver, gradient, optimizer, max_iterations, tolerance
        See `AbstractModel`.

    Notes
    -----
    The learned motion conserves H exactly; a record with friction cannot be followed for long. Fitted to trajectories, not to
    derivatives as in [1]_; see [2]_.

    References
    ----------
    .. [1] S. Greydanus, M. Dzamba, J. Yosinski, "Hamiltonian neural networks", NeurIPS 2019. doi:10.48550/arXiv.1906.01563
    .. [2] Y. D. Zhong, B. Dey, A. Chakraborty, "Symplectic ODE-Net", ICLR 2020. doi:10.48550/arXiv.1909.12077

    Examples
    --------
    >>> import numpy as np, physode
    >>> from physode import systems
    >>> ds = systems.get("pendulum").simulate(np.linspace(0, 5, 60), n_trajectories=4)
    >>> model = physode.HamiltonianNeuralODE().fit(ds)
    >>> energy = model.hamiltonian(np.array([[0.5, 0.0], [0.0, 1.0]]))
    >>> energy.shape
    (2,)
    """

    registry_name = "hnn"
    reference = "Greydanus, Dzamba & Yosinski (2019). Hamiltonian neural networks. NeurIPS 32."
    doi = "10.48550/arXiv.1906.01563"

    def __init__(self, *, separable: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.separable = bool(separable)

    def get_params(self) -> dict[str, Any]:
        """Hyperparameters as given, JSON-ready."""
        return {"separable": self.separable, **super().get_params()}

    def hamiltonian(self, z: Array) -> Array:
        """Learned energy of states of shape (batch, n_states), shape (batch,).

        It is defined up to a constant, here such that the mean over the training record is zero, and has the units of q times p
        over time.
        """
        dynamics = self._fitted()
        scaling, field = dynamics.scaling, dynamics.field
        n = len(dynamics.layout.states) // 2
        size = scaling.scale[0] * scaling.scale[n] / scaling.time_scale

        def raw(states: Array) -> Array:
            scaled = dynamics._tensor((np.asarray(states, dtype=np.float64) - scaling.mean) / scaling.scale)
            with torch.no_grad():
                out = to_numpy(field.hamiltonian(scaled))  # type: ignore[operator]
            return np.asarray(out * size)

        return np.asarray(raw(z) - raw(dynamics.reference).mean())

    def _layout(self, ds: xr.Dataset) -> Layout:
        return pair_layout(ds, "momentum")

    def _field(self, layout: Layout) -> AbstractField:
        n = len(layout.states) // 2
        return HamiltonianField(n, len(layout.inputs), self.hidden, self.activation, separable=self.separable)

    def _scales(self, layout: Layout, mean: Array, scale: Array, time_scale: float) -> tuple[Array, Array]:
        """Scale each pair so that scale of q times scale of p is the same for all: only then one scaled H moves them."""
        n = len(layout.states) // 2
        size = dict(zip(layout.observed, scale, strict=True))
        centre = dict(zip(layout.observed, mean, strict=True))
        q = np.array([size[name] for name in layout.states[:n]])
        pairs = zip(layout.states[:n], layout.states[n:], strict=True)
        p = np.array([size.get(name, size[position] / time_scale) for position, name in pairs])
        action = np.exp(np.mean(np.log(q * p)))
        stretch = np.sqrt(action / (q * p))
        means = [centre.get(name, 0.0) for name in layout.states]
        return np.array(means), np.concatenate([q * stretch, p * stretch])

    def _guess(self, layout: Layout, smoothed: tuple[Array, Array, Array], rng: np.random.Generator) -> tuple[Array, Array]:
        value, first, second = smoothed
        n = len(layout.states) // 2
        q = [layout.observed.index(name) for name in layout.states[:n]]
        momentum, force = first[..., q].copy(), second[..., q].copy()
        for k, name in enumerate(layout.states[n:]):
            if name in layout.observed:
                momentum[..., k] = value[..., layout.observed.index(name)]
                force[..., k] = first[..., layout.observed.index(name)]
        return np.concatenate([value[..., q], momentum], axis=-1), np.concatenate([first[..., q], force], axis=-1)
