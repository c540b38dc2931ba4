"""The solution of an adaptive integration as a function of time."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
import torch
import torchdiffeq
from torch import Tensor, nn

__all__ = ["StoredSolution"]

PARTS = 3
"""Steps at least between two kinks, so that four nodes lie in each such interval."""
UNEVEN = 0.02
"""Ratio of neighbouring steps below which the node between them is left out."""


@dataclass(frozen=True)
class StoredSolution:
    """States and slopes at all accepted steps, and between them the polynomial of degree 7 through the four nearest.

    It is as exact as the methods of order up to 8 (Hairer, Norsett & Wanner 1993, II.6).

    Attributes
    ----------
    time : ndarray, shape (nodes,)
        Increasing.
    states, slopes : Tensor, shape (nodes, batch, n_states)
        Slopes on the later side of a node, and
    before : Tensor, shape (kinks, batch, n_states)
        those on the earlier side of each kink.
    kinks : list of int
        Nodes that no polynomial may cross; the first and the last node are among them.
    """

    time: np.ndarray[tuple[int], np.dtype[np.float64]]
    states: Tensor
    slopes: Tensor
    before: Tensor
    kinks: list[int]

    @classmethod
    def integrate(
        cls, rate: nn.Module, initial: Tensor, time: Tensor, method: str, rtol: float, atol: float, *, kinks: bool
    ) -> tuple[StoredSolution, Tensor]:
        """Integrate by torchdiffeq.

        Parameters
        ----------
        rate : Module
            dz/dt at (t, z).
        initial : Tensor, shape (batch, n_states)
        time : Tensor, shape (observations,)
        method : str
        rtol, atol : float
        kinks : bool
            Whether the field has a kink or a jump at each observation, as sampled inputs make it.

        Returns
        -------
        StoredSolution
        states : Tensor, shape (observations, batch, n_states)
        """
        parts = PARTS if kinks else 1
        share = torch.arange(parts, dtype=time.dtype, device=time.device) / parts
        stops = torch.cat([(time[:-1, None] + time.diff()[:, None] * share).reshape(-1), time[-1:]])
        recorder = _Recorder(rate)
        options = {"jump_t" if kinks else "step_t": stops}
        states = torchdiffeq.odeint(recorder, initial, stops, method=method, rtol=rtol, atol=atol, options=options)
        passed, reached = [*recorder.time, stops[-1]], [*recorder.states, states[-1]]
        marks = time.tolist() if kinks else [float(passed[0]), float(passed[-1])]
        chosen = _spread([float(t) for t in passed], set(marks))
        known = torch.stack([reached[k] for k in chosen])
        slopes = torch.stack([rate(passed[k], reached[k]) for k in chosen])
        clock = np.array([float(passed[k]) for k in chosen])
        ends = np.searchsorted(clock, marks).tolist()
        earlier = [passed[chosen[k]] - torch.finfo(time.dtype).eps ** 0.75 * (clock[k] - clock[max(k - 1, 0)]) for k in ends]
        before = torch.stack([rate(t, known[k]) for t, k in zip(earlier, ends, strict=True)])
        return cls(clock, known, slopes, before, ends), states[::parts]

    def __call__(self, t: Tensor) -> Tensor:
        """State at a time, shape (batch, n_states)."""
        now = float(t)
        right = min(max(int(np.searchsorted(self.time, now)), 1), len(self.time) - 1)
        interval = bisect.bisect_left(self.kinks, right) - 1
        first, last = self.kinks[interval], self.kinks[interval + 1]
        left = max(first, min(right - 2, last - 3))
        chosen = slice(left, min(left + 4, last + 1))
        slopes = self.slopes[chosen]
        if chosen.stop > last:
            slopes = torch.cat([slopes[:-1], self.before[interval + 1][None]])
        known = torch.cat([self.states[chosen], slopes])
        weights = torch.from_numpy(_weights(now, self.time[chosen])).to(known)
        state: Tensor = torch.tensordot(weights, known, dims=1)
        return state


class _Recorder(nn.Module):
    """A rate that remembers where each accepted step begins."""

    def __init__(self, rate: nn.Module) -> None:
        super().__init__()
        self.rate, self.time, self.states = rate, list[Tensor](), list[Tensor]()

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        out: Tensor = self.rate(t, z)
        return out

    def callback_accept_step(self, t: Tensor, z: Tensor, step: Tensor) -> None:
        self.time.append(t)
        self.states.append(z)


def _spread(time: list[float], kept: set[float]) -> list[int]:
    """Leave out nodes too close to another: there the polynomial's slope would magnify the errors of the states."""
    out = [0]
    for k in range(1, len(time) - 1):
        gaps = time[k] - time[out[-1]], time[k + 1] - time[k]
        if time[k] in kept or min(gaps) > UNEVEN * max(gaps):
            out.append(k)
    return [*out, len(time) - 1]


def _weights(now: float, nodes: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Weights of the values and then of the slopes at the nodes in the polynomial through both, at one time."""
    away, gaps = now - nodes, np.subtract.outer(nodes, nodes)
    np.fill_diagonal(gaps, 1.0)
    factors = away / gaps
    np.fill_diagonal(factors, 1.0)
    square = factors.prod(axis=1) ** 2
    bend = (1.0 / gaps).sum(axis=1) - 1.0
    return np.concatenate([(1.0 - 2.0 * bend * away) * square, away * square])
