"""Neural ODE on the observed states."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.fields import AbstractField, FirstOrderField
from physode.models.base import AbstractModel
from physode.models.layout import Layout, plain_layout
from physode.training.smoothing import Smoothed

__all__ = ["NeuralODE"]

Array = NDArray[np.float64]


class NeuralODE(AbstractModel):
    """dx/dt = f(x, u) on the observed states as they are.

    Parameters
    ----------
    hidden, activation, solver, gradient, optimizer, max_iterations, tolerance
        See `AbstractModel`.

    See Also
    --------
    AugmentedNeuralODE : when the observed states are not all that moves.
    SecondOrderNeuralODE : when positions move by forces.

    References
    ----------
    .. [1] R. T. Q. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud, "Neural ordinary differential equations", NeurIPS 2018.
       doi:10.48550/arXiv.1806.07366

    Examples
    --------
    >>> import numpy as np, physode
    >>> from physode import systems
    >>> ds = systems.get("lotka-volterra").simulate(np.linspace(0, 10, 101), {"x": 1.0, "y": 1.0})
    >>> model = physode.NeuralODE().fit(ds)
    >>> model.score(ds) > 0.9999
    True
    """

    registry_name = "node"
    reference = "Chen, Rubanova, Bettencourt & Duvenaud (2018). Neural ordinary differential equations. NeurIPS 31."
    doi = "10.48550/arXiv.1806.07366"

    def _layout(self, ds: xr.Dataset) -> Layout:
        return plain_layout(ds)

    def _field(self, layout: Layout) -> AbstractField:
        return FirstOrderField(len(layout.states), len(layout.inputs), self.hidden, self.activation)

    def _scales(self, layout: Layout, raw: Smoothed, mean: Array, scale: Array, time_scale: float) -> tuple[Array, Array]:
        return mean, scale

    def _guess(self, layout: Layout, smoothed: tuple[Array, Array, Array], rng: np.random.Generator) -> tuple[Array, Array]:
        return smoothed[0], smoothed[1]
