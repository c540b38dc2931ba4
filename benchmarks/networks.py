"""The peers' models of the oscillators and pendulums: plain, augmented and second-order networks under torchdiffeq and Adam."""

from __future__ import annotations

import itertools
import time as clock
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torchdiffeq import odeint

__all__ = ["Peer", "Plain", "SecondOrder", "follow", "train"]


class Plain(nn.Module):
    """dz/dt by a network of z alone."""

    def __init__(self, n_states: int, hidden: Sequence[int], activation: type[nn.Module]) -> None:
        super().__init__()
        self.net = perceptron([n_states, *hidden, n_states], activation)

    def forward(self, _t: Tensor, z: Tensor) -> Tensor:
        """Give dz/dt."""
        out: Tensor = self.net(z)
        return out


class SecondOrder(nn.Module):
    """d[x, v]/dt = [v, network of x and v]."""

    def __init__(self, n_states: int, hidden: Sequence[int], activation: type[nn.Module]) -> None:
        super().__init__()
        self.half = n_states // 2
        self.net = perceptron([n_states, *hidden, self.half], activation)

    def forward(self, _t: Tensor, z: Tensor) -> Tensor:
        """Give dz/dt."""
        return torch.cat([z[..., self.half :], self.net(z)], dim=-1)


def perceptron(sizes: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    """Linear layers in float64 with an activation between them, initialised as torch does."""
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b, dtype=torch.float64), activation())]
    return nn.Sequential(*layers[:-1])


@dataclass(frozen=True)
class Peer:
    """A network, how its loss is taken, and with which step it learns."""

    field: nn.Module
    loss: Callable[[nn.Module], Tensor]
    learning_rate: float


def train(peer: Peer, allowed: Sequence[float]) -> Iterator[tuple[nn.Module, int, int]]:
    """Descend by Adam; give network, steps and the network's evaluations when each of the given seconds of the processor is spent."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    peer.field.register_forward_hook(count)
    optimiser = torch.optim.Adam(peer.field.parameters(), lr=peer.learning_rate)
    began, steps = clock.process_time(), 0
    for seconds in allowed:
        while clock.process_time() - began < seconds:
            optimiser.zero_grad()
            loss = peer.loss(peer.field)
            loss.backward()
            optimiser.step()
            steps += 1
        spent, known = clock.process_time(), calls
        yield peer.field, steps, calls
        began, calls = began + clock.process_time() - spent, known  # what is done with the network between is not training


def follow(field: nn.Module, start: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Integrate from states of shape (trajectory, state) by torchdiffeq's default tolerances; shape (trajectory, time, state)."""
    with torch.no_grad():
        out: np.ndarray = odeint(field, torch.from_numpy(start), torch.from_numpy(time)).transpose(0, 1).numpy()
    return out
