"""Fields with known solutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from physode.fields import AbstractField


class Known(AbstractField):
    """A field without a network."""

    def __init__(self, n_states: int, n_inputs: int = 0, *, separable: bool = False) -> None:
        super().__init__()
        self.n_states, self.n_inputs, self.separable = n_states, n_inputs, separable

    def penalty_groups(self) -> list[list[list[str]]]:
        return []


class Linear(Known):
    """dz/dt = A z + G u."""

    def __init__(self, matrix: list[list[float]], by_input: list[list[float]] | None = None) -> None:
        super().__init__(len(matrix), len(by_input[0]) if by_input else 0)
        self.matrix = nn.Parameter(torch.tensor(matrix, dtype=torch.float64))
        self.by_input = nn.Parameter(torch.tensor(by_input, dtype=torch.float64)) if by_input else None

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        out = z @ self.matrix.T
        return out if self.by_input is None else out + u @ self.by_input.T

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        return self.matrix.expand(len(z), -1, -1)


class Sine(Known):
    """u' = sin u, solved by u = 2 atan(tan(u0 / 2) exp t)."""

    def __init__(self) -> None:
        super().__init__(1)
        self.rate = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        return self.rate * torch.sin(z)

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        return self.rate * torch.cos(z)[..., None]


class Oscillator(Known):
    """q' = p, p' = -k q + u; separable."""

    def __init__(self, n_inputs: int = 0) -> None:
        super().__init__(2, n_inputs, separable=True)
        self.stiffness = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        force = -self.stiffness * z[:, :1]
        return torch.cat([z[:, 1:], force + u if self.n_inputs else force], dim=1)

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        spring = torch.stack([-self.stiffness, torch.zeros_like(self.stiffness)])
        return torch.stack([torch.tensor([0.0, 1.0], dtype=z.dtype), spring]).expand(len(z), -1, -1)


class Pendulum(Known):
    """q' = p, p' = -k sin q; separable, with energy p^2 / 2 - k cos q."""

    def __init__(self) -> None:
        super().__init__(2, separable=True)
        self.stiffness = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        return torch.cat([z[:, 1:], -self.stiffness * torch.sin(z[:, :1])], dim=1)

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        zero = torch.zeros_like(z[:, 0])
        rows = [torch.stack([zero, zero + 1], dim=1), torch.stack([-self.stiffness * torch.cos(z[:, 0]), zero], dim=1)]
        return torch.stack(rows, dim=1)


class Driven(Known):
    """z' = cos(w t): the time itself matters."""

    def __init__(self) -> None:
        super().__init__(1)
        self.frequency = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        return torch.cos(self.frequency * t).expand(len(z))[:, None]


class Explosion(Known):
    """z' = z^2, infinite at t = 1 / z0."""

    def __init__(self) -> None:
        super().__init__(1)
        self.rate = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        return self.rate * z.square()


def no_inputs(time: Tensor, inside: Tensor | None = None) -> Tensor:
    """u(t) of an autonomous field."""
    return time.new_zeros(*time.shape, 0)


def sine_input(time: Tensor, inside: Tensor | None = None) -> Tensor:
    """u(t) = sin 2t for every trajectory."""
    return torch.sin(2 * time)[..., None]
