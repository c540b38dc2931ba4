"""Hamiltonian neural network, fitted through the solver."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from physode.errors import DataError, unknown_name
from physode.fields import AbstractField, HamiltonianField, LogarithmicField
from physode.models.base import AbstractModel
from physode.models.dynamics import to_numpy
from physode.models.layout import Layout, pair_layout
from physode.models.partners import guess_partners, is_told
from physode.models.scaling import Scaling
from physode.training.smoothing import Smoothed
from physode.trajectories.noise import NOISE_SUFFIX

__all__ = ["HamiltonianNeuralODE"]

Array = NDArray[np.float64]
COORDINATES = ("linear", "log")
FARTHEST = 4.0
"""Standard deviations that noise may push the measurement of a positive state below zero."""


class HamiltonianNeuralODE(AbstractModel):
    """dq/dt = dH/dp, dp/dt = -dH/dq + G u with a learned energy H(q, p).

    A variable whose attribute ``conjugate_to`` names another one is its momentum; a velocity (``time_derivative_of``) is taken as
    one too, which is exact for a single coordinate of constant mass, and for several of the same mass. Every other state is a position; a
    momentum that the record does not have is learned, under the name ``<position>_momentum``. One H moves all pairs, so that position
    times momentum needs the same unit in each of them; where masses differ, give momenta, or coordinates times the root of their mass.

    Parameters
    ----------
    separable : bool, default False
        Whether H = T(p) + V(q), as the leapfrog solver needs (in linear coordinates).
    coordinates : {"linear", "log"}, default "linear"
        "log": q and p are logarithms of positive states x and y, dx/dt = x dH/dlog y and dy/dt = -y dH/dlog x, as of predators and
        prey [3]_; the law that H starts from, a'[x, y] + b'[log x, log y], is that of Lotka and Volterra. Every state must be measured and
        positive; noise is additive in the states themselves, so that where ``<state>_noise_std`` is given, a measurement may lie a
        little below zero.
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
    .. [3] Y. Nutku, "Hamiltonian structure of the Lotka-Volterra equations", Physics Letters A 145 (1990) 27,
       doi:10.1016/0375-9601(90)90270-X

    Examples
    --------
    >>> import numpy as np, physode
    >>> from physode import systems
    >>> ds = systems.get("pendulum").simulate(np.linspace(0, 5, 40), n_trajectories=3)
    >>> model = physode.HamiltonianNeuralODE(hidden=(8,)).fit(ds)
    >>> energy = model.hamiltonian(np.array([[0.5, 0.0], [0.0, 1.0]]))
    >>> energy.shape
    (2,)

    Prey and predator, whose energy is log x - x + 2/3 log y - 4/3 y:

    >>> ds = systems.get("lotka-volterra").simulate(np.linspace(0, 10, 101), {"x": 1.0, "y": 1.0})
    >>> ds["y"].attrs["conjugate_to"] = "x"
    >>> model = physode.HamiltonianNeuralODE(coordinates="log").fit(ds)
    >>> state = np.stack([ds["x"].values[0], ds["y"].values[0]], axis=1)
    >>> bool(np.ptp(model.hamiltonian(state)) < 1e-3)
    True
    """

    registry_name = "hnn"
    reference = "Greydanus, Dzamba & Yosinski (2019). Hamiltonian neural networks. NeurIPS 32."
    doi = "10.48550/arXiv.1906.01563"

    def __init__(self, *, separable: bool = False, coordinates: str = "linear", **settings: Any) -> None:
        super().__init__(**settings)
        if coordinates not in COORDINATES:
            raise unknown_name("coordinates", coordinates, COORDINATES)
        self.separable, self.coordinates = bool(separable), coordinates

    def get_params(self) -> dict[str, Any]:
        """Hyperparameters as given, JSON-ready."""
        return {"separable": self.separable, "coordinates": self.coordinates, **super().get_params()}

    def hamiltonian(self, z: Array) -> Array:
        """Learned energy of states of shape (batch, n_states), shape (batch,).

        It is defined up to a constant, here such that the mean over the training record is zero, and has the units of q times p
        over time; in logarithmic coordinates, those of 1 over time.
        """
        dynamics = self._fitted()
        scaling, field = dynamics.scaling, cast(HamiltonianField | LogarithmicField, dynamics.field)
        n = len(dynamics.layout.states) // 2
        if isinstance(field, LogarithmicField):
            size = 1 / float(field.spread[0] * field.spread[n]) / scaling.time_scale
        else:
            size = scaling.scale[0] * scaling.scale[n] / scaling.time_scale

        def raw(states: Array) -> Array:
            scaled = dynamics._tensor((np.asarray(states, dtype=np.float64) - scaling.mean) / scaling.scale)
            with torch.no_grad():
                return to_numpy(field.hamiltonian(scaled)) * size

        return np.asarray(raw(z) - raw(dynamics.reference).mean())

    def _layout(self, ds: xr.Dataset) -> Layout:
        layout = pair_layout(ds, "momentum")
        if self.coordinates == "log":
            _refuse_without_logarithm(layout, ds)
        return layout

    def _field(self, layout: Layout) -> AbstractField:
        n = len(layout.states) // 2
        field = HamiltonianField(n, len(layout.inputs), self.hidden, self.activation, separable=self.separable)
        return LogarithmicField(field) if self.coordinates == "log" else field

    def _set_units(self, field: AbstractField, scaling: Scaling) -> None:
        """Set the units of the logarithms, their product the same for each pair: only then one scaled H moves them."""
        if isinstance(field, LogarithmicField):
            n = len(scaling.mean) // 2
            shift = torch.from_numpy(scaling.mean / scaling.scale)
            product = shift[:n] * shift[n:]
            stretch = (product.log().mean().exp() / product).sqrt()
            field.shift.copy_(shift)
            field.spread.copy_(shift * stretch.repeat(2))

    def _scales(self, layout: Layout, raw: Smoothed, mean: Array, scale: Array, time_scale: float) -> tuple[Array, Array]:
        """Scale each pair so that scale of q times scale of p is the same for all: only then one scaled H moves them."""
        n = len(layout.states) // 2
        size = dict(zip(layout.observed, scale, strict=True))
        centre = dict(zip(layout.observed, mean, strict=True))
        slopes = dict(zip(layout.observed, np.moveaxis(raw.first, -1, 0), strict=True))
        pairs = list(zip(layout.states[:n], layout.states[n:], strict=True))
        for position, name in pairs:
            velocity = bool(layout.attrs[name].get("time_derivative_of"))
            own = name in size and (self.coordinates == "log" or _tells_its_scale(slopes[position], slopes[name], velocity=velocity))
            if not own:
                size[name], centre[name] = size[position] / time_scale, 0.0
        q, p = (np.array([size[name] for name in names]) for names in zip(*pairs, strict=True))
        action = np.exp(np.mean(np.log(q * p)))
        stretch = np.sqrt(action / (q * p))
        return np.array([centre[name] for name in layout.states]), np.concatenate([q * stretch, p * stretch])

    def _guess(self, layout: Layout, smoothed: tuple[Array, Array, Array], rng: np.random.Generator) -> tuple[Array, Array]:
        value, first, _ = smoothed
        if self.coordinates == "log":  # every state is measured, and none is the slope of another
            order = [layout.observed.index(name) for name in layout.states]
            return value[..., order], first[..., order]
        n = len(layout.states) // 2
        q = [layout.observed.index(name) for name in layout.states[:n]]
        momentum, force = guess_partners(layout, smoothed)
        return np.concatenate([value[..., q], momentum], axis=-1), np.concatenate([first[..., q], force], axis=-1)


def _tells_its_scale(position: Array, partner: Array, *, velocity: bool) -> bool:
    """Whether measurements of a momentum tell its mean and spread, by its slopes and those of its position.

    Those of a velocity in a part of the motion do not, and the position has them in the same unit.
    """
    told = is_told(position, partner)
    partly = bool((np.isfinite(position) & ~np.isfinite(partner))[told].any())
    return bool(told.any()) and not (velocity and partly)


def _refuse_without_logarithm(layout: Layout, ds: xr.Dataset) -> None:
    if layout.latent:
        raise DataError(
            f"{', '.join(layout.latent)} is not measured, and coordinates='log' needs the values of every state to tell that they are "
            "positive; name the momentum of each state in the attribute conjugate_to, or use coordinates='linear'."
        )
    for name in layout.observed:
        lowest = float(np.nanmin(ds[name].values))
        noise = float(ds[f"{name}{NOISE_SUFFIX}"].max()) if f"{name}{NOISE_SUFFIX}" in ds else 0.0
        if not (lowest > 0 or lowest > -FARTHEST * noise):
            raise DataError(
                f"state {name!r} has the value {lowest:g}, and coordinates='log' is for positive states. Where noise has pushed it to zero "
                f"or below, give the noise's standard deviation as {name}{NOISE_SUFFIX}; otherwise use coordinates='linear'."
            )
