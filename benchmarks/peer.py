"""The fit that the peers' tutorials do: torchdiffeq, Adam, random windows, from a random start."""

from __future__ import annotations

import itertools
import time as clock

import numpy as np
import torch
from torch import nn
from torchdiffeq import odeint

WINDOW = 10  # observations a window, and
BATCH = 20  # windows a step, as in torchdiffeq's examples/ode_demo.py
LEARNING_RATE = 1e-3


class Field(nn.Module):
    """The network of ``physode.NeuralODE()``'s default size, on unscaled states."""

    def __init__(self, n_states: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        sizes = (n_states, *hidden, n_states)
        layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b, dtype=torch.float64), nn.Tanh())]
        self.net = nn.Sequential(*layers[:-1])

    def forward(self, _time: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Give dz/dt."""
        out: torch.Tensor = self.net(z)
        return out


def fit(time: np.ndarray, states: np.ndarray, hidden: tuple[int, ...], seconds: float, seed: int) -> tuple[Field, int]:
    """Train for a given wall time on one trajectory of shape (time, state); give the field and the number of steps."""
    torch.manual_seed(seed)
    draws = np.random.default_rng(seed)
    field = Field(states.shape[1], hidden)
    optimiser = torch.optim.Adam(field.parameters(), lr=LEARNING_RATE)
    t, y = torch.from_numpy(time), torch.from_numpy(states)
    stop, steps = clock.perf_counter() + seconds, 0
    while clock.perf_counter() < stop:
        first = draws.choice(len(time) - WINDOW, size=BATCH, replace=False)
        target = torch.stack([y[first + k] for k in range(WINDOW)])
        optimiser.zero_grad()
        loss = (odeint(field, y[first], t[:WINDOW], method="dopri5") - target).abs().mean()
        loss.backward()
        optimiser.step()
        steps += 1
    return field, steps


def forecast(field: Field, start: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Integrate from the record's first state; shape (time, state)."""
    with torch.no_grad():
        out: np.ndarray = odeint(field, torch.from_numpy(start), torch.from_numpy(time), rtol=1e-8, atol=1e-8).numpy()
    return out
