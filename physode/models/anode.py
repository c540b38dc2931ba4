"""Neural ODE with augmented components."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import unknown_name
from physode.fields import AbstractField, FirstOrderField
from physode.models.base import AbstractModel
from physode.models.dynamics import HELD
from physode.models.layout import Layout, plain_layout
from physode.models.options import whole_number
from physode.training.smoothing import Smoothed, at_rest

__all__ = ["AugmentedNeuralODE"]

Array = NDArray[np.float64]


class AugmentedNeuralODE(AbstractModel):
    """d[x, a]/dt = f([x, a], u): the observed states and `n_augmented` more that nobody measured.

    Parameters
    ----------
    n_augmented : int, optional
        Number of augmented components; by default as many as there are observed states.
    initial_augmented : {"free", "zeros"}, default "free"
        "free": the initial value of a is learned for each trajectory, and estimated for a new one. "zeros": a starts at zero, as
        in the papers; then trajectories that start at the same x cannot differ.
    hidden, activation, solver, gradient, optimizer, max_iterations, tolerance
        See `AbstractModel`.

    Notes
    -----
    What an augmented component means is not determined by the data: any invertible change of a gives the same x(t). Free
    components therefore start from a random mixture of x and dx/dt, drawn with the seed of the fit.

    References
    ----------
    .. [1] E. Dupont, A. Doucet, Y. W. Teh, "Augmented neural ODEs", NeurIPS 2019. doi:10.48550/arXiv.1904.01681
    .. [2] A. Norcliffe et al., "On second order behaviour in augmented neural ODEs", NeurIPS 2020. doi:10.48550/arXiv.2006.07220

    Examples
    --------
    >>> import numpy as np, physode
    >>> from physode import systems
    >>> ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 10, 60), n_trajectories=3, observe=["x"])
    >>> model = physode.AugmentedNeuralODE().fit(ds)
    >>> model.states
    ('x', 'augmented_1')
    """

    registry_name = "anode"
    reference = "Dupont, Doucet & Teh (2019). Augmented neural ODEs. NeurIPS 32."
    doi = "10.48550/arXiv.1904.01681"

    def __init__(self, *, n_augmented: int | None = None, initial_augmented: str = "free", **settings: Any) -> None:
        super().__init__(**settings)
        if initial_augmented not in ("free", "zeros"):
            raise unknown_name("initial_augmented", initial_augmented, ("free", "zeros"))
        self.n_augmented = None if n_augmented is None else whole_number("n_augmented", n_augmented, 0)
        self.initial_augmented = initial_augmented

    def get_params(self) -> dict[str, Any]:
        """Hyperparameters as given, JSON-ready."""
        return {"n_augmented": self.n_augmented, "initial_augmented": self.initial_augmented, **super().get_params()}

    def _layout(self, ds: xr.Dataset) -> Layout:
        n_observed = len(plain_layout(ds).observed)
        return plain_layout(ds, n_observed if self.n_augmented is None else self.n_augmented)

    def _field(self, layout: Layout) -> AbstractField:
        return FirstOrderField(len(layout.states), len(layout.inputs), self.hidden, self.activation)

    def _scales(self, layout: Layout, raw: Smoothed, mean: Array, scale: Array, time_scale: float) -> tuple[Array, Array]:
        extra = len(layout.latent)
        return np.concatenate([mean, np.zeros(extra)]), np.concatenate([scale, np.ones(extra)])

    def _guess(self, layout: Layout, smoothed: tuple[Array, Array, Array], rng: np.random.Generator) -> tuple[Array, Array]:
        value, first, second = smoothed
        n_observed, extra = value.shape[-1], len(layout.latent)
        mixture = rng.standard_normal((2 * n_observed, extra))
        hidden = np.concatenate([value, at_rest(first, value)], axis=-1) @ mixture
        slope = np.concatenate([first, second], axis=-1) @ mixture
        if self.initial_augmented == "zeros":
            hidden = hidden - hidden[:, :1]
        return np.concatenate([value, hidden], axis=-1), np.concatenate([first, slope], axis=-1)

    def _initial_precision(self, layout: Layout) -> Array:
        latent = HELD if self.initial_augmented == "zeros" else 1.0
        return np.where([name in layout.latent for name in layout.states], latent, 1.0)
