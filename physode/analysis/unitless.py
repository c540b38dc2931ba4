"""A dynamics in units of its own sizes, for searches that weigh states against each other and against the time."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from physode.analysis.dynamics import Array, Dynamics

__all__ = ["Unitless"]


@dataclass(frozen=True)
class Unitless:
    """Another dynamics with states in units of `size` and time in units of `clock`; a norm then means something.

    Attributes
    ----------
    inner : Dynamics
    size : ndarray, shape (state,)
        Positive.
    clock : float
        About one period over 2 pi.
    """

    inner: Dynamics
    size: Array
    clock: float

    @property
    def name(self) -> str:
        """See `Dynamics.name`."""
        return self.inner.name

    @property
    def states(self) -> tuple[str, ...]:
        """See `Dynamics.states`."""
        return self.inner.states

    @property
    def units(self) -> dict[str, str]:
        """None."""
        return {}

    @property
    def time_scale(self) -> float:
        """The unit of time."""
        return 1.0

    def rhs(self, t: ArrayLike, z: Array) -> Array:
        """See `Dynamics.rhs`."""
        return self.inner.rhs(self._time(t), z * self.size) * self._rate

    def jvp(self, t: ArrayLike, z: Array, v: Array) -> Array:
        """See `Dynamics.jvp`."""
        return self.inner.jvp(self._time(t), z * self.size, v * self.size) * self._rate

    def divergence(self, t: ArrayLike, z: Array) -> Array:
        """See `Dynamics.divergence`."""
        return self.inner.divergence(self._time(t), z * self.size) * self.clock

    def sample_states(self, n: int, seed: int) -> Array:
        """See `Dynamics.sample_states`."""
        return self.inner.sample_states(n, seed) / self.size

    @property
    def _rate(self) -> Array:
        return self.clock / self.size

    def _time(self, t: ArrayLike) -> ArrayLike:
        return self.clock * t  # type: ignore[operator]
