"""Derivatives written by hand equal those of torch.func and finite differences, for every field."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from physode.errors import UnknownNameError
from physode.fields import (
    ACTIVATIONS,
    AbstractField,
    FirstOrderField,
    HamiltonianField,
    LinearPlusMLP,
    LogarithmicField,
    PortHamiltonianField,
    SecondOrderField,
)


def logarithmic(n_inputs: int, hidden: tuple[int, ...], activation: str) -> LogarithmicField:
    """Give each state units of its own; some of the points of `point` lie below zero, where the field stands still."""
    field = LogarithmicField(HamiltonianField(2, n_inputs, hidden, activation))
    field.shift.copy_(torch.tensor([1.0, 2.0, 3.0, 0.8]))
    field.spread.copy_(torch.tensor([0.5, 2.0, 1.0, 3.0]))
    return field


MAKERS: dict[str, Callable[[int, tuple[int, ...], str], AbstractField]] = {
    "first-order": lambda n_inputs, hidden, activation: FirstOrderField(3, n_inputs, hidden, activation),
    "second-order": lambda n_inputs, hidden, activation: SecondOrderField(2, n_inputs, hidden, activation),
    "port-hamiltonian": lambda n_inputs, hidden, activation: PortHamiltonianField(3, n_inputs, hidden, activation),
    "hamiltonian": lambda n_inputs, hidden, activation: HamiltonianField(2, n_inputs, hidden, activation),
    "convex": lambda n_inputs, hidden, activation: PortHamiltonianField(3, n_inputs, hidden or (4,), activation, convex=True),
    "separable": lambda n_inputs, hidden, activation: HamiltonianField(2, n_inputs, hidden, activation, separable=True),
    "logarithmic": logarithmic,
}


def shaken(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Give every parameter a value of order one: fresh fields are nearly zero and would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return module


def point(field: AbstractField, seed: int = 5, batch: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    t = torch.rand(batch, generator=generator, dtype=torch.float64)
    z = torch.randn(batch, field.n_states, generator=generator, dtype=torch.float64)
    return t, z, torch.randn(batch, field.n_inputs, generator=generator, dtype=torch.float64)


def by_differences(function: Callable[[Tensor], Tensor], x: Tensor, step: float = 1e-5) -> Tensor:
    """Central differences along the last dimension of x, put last."""
    columns = []
    for k in range(x.shape[-1]):
        shift = torch.zeros_like(x)
        shift[..., k] = step
        columns.append((function(x + shift) - function(x - shift)) / (2 * step))
    return torch.stack(columns, dim=-1)


def by_parameters_at(field: AbstractField, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
    """df/dtheta at each state, (..., batch, n_states, n_parameters)."""
    each = torch.eye(field.n_states, dtype=z.dtype).expand(*z.shape[:-1], 1, -1, -1)
    return torch.cat(field.pull_back(t, z.unsqueeze(-2), u.unsqueeze(-2), each), dim=-1)


def of_parameters(field: AbstractField, t: Tensor, z: Tensor, u: Tensor) -> Callable[[Tensor], Tensor]:
    def evaluate(theta: Tensor) -> Tensor:
        before = parameters_to_vector(field.parameters()).detach().clone()
        vector_to_parameters(theta, field.parameters())
        with torch.no_grad():
            out: Tensor = field(t, z, u)
        vector_to_parameters(before, field.parameters())
        return out

    return evaluate


@pytest.mark.parametrize(("n_inputs", "hidden"), [(0, (4,)), (2, (3, 2)), (1, ())])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", MAKERS)
def test_derivatives_equal_the_generic_ones_and_differences(kind: str, activation: str, n_inputs: int, hidden: tuple[int, ...]) -> None:
    field = MAKERS[kind](n_inputs, hidden, activation)
    shaken(field, 1)
    t, z, u = point(field)
    by_state, by_parameters = field.state_jacobian(t, z, u).detach(), by_parameters_at(field, t, z, u)
    torch.testing.assert_close(AbstractField.state_jacobian(field, t, z, u).detach(), by_state, rtol=1e-10, atol=1e-11)
    theta = parameters_to_vector(field.parameters()).detach()
    differences = by_differences(lambda moved: field(t, moved, u).detach(), z)
    torch.testing.assert_close(by_state, differences, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(by_parameters, by_differences(of_parameters(field, t, z, u), theta), rtol=1e-6, atol=1e-7)
    assert by_parameters.shape == (4, field.n_states, len(theta))


@pytest.mark.parametrize(("n_inputs", "hidden"), [(0, (4,)), (2, (3, 2))])
@pytest.mark.parametrize("kind", MAKERS)
def test_pulling_back_sums_products_with_the_derivatives(kind: str, n_inputs: int, hidden: tuple[int, ...]) -> None:
    field = MAKERS[kind](n_inputs, hidden, "tanh")
    shaken(field, 1)
    t, z, u = point(field)
    cotangents = torch.randn(2, 2, 3, field.n_states, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    terms = (t, z.view(2, 2, -1), u.view(2, 2, -1), cotangents)
    expected = torch.einsum("bkrn,bknp->brp", cotangents, by_parameters_at(field, t, z, u).view(2, 2, field.n_states, -1))
    pulled, generic = field.pull_back(*terms), AbstractField.pull_back(field, *terms)
    assert [piece.shape[-1] for piece in pulled] == [piece.shape[-1] for piece in generic] == [part.numel() for part in field.parameters()]
    torch.testing.assert_close(torch.cat(pulled, dim=-1), expected, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(torch.cat(generic, dim=-1), expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_closure_gives_what_the_field_gives_and_can_be_differentiated(kind: str) -> None:
    field = MAKERS[kind](2, (4, 3), "tanh")
    shaken(field, 2)
    t, z, u = point(field)
    plain = field.closure()
    torch.testing.assert_close(plain(t, z, u), field(t, z, u), rtol=0, atol=1e-15)
    by_parameters = by_parameters_at(field, t, z, u)
    loss = plain(t, z, u).square().sum()
    pieces = torch.autograd.grad(loss, list(field.parameters()), allow_unused=True, materialize_grads=True)
    chained = 2 * torch.einsum("bn,bnp->p", plain(t, z, u), by_parameters)
    torch.testing.assert_close(torch.cat([p.flatten() for p in pieces]), chained.detach(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_slopes_and_curvatures_of_the_activations(activation: str) -> None:
    function, slope, curvature = ACTIVATIONS[activation]
    a = torch.linspace(-4, 4, 41, dtype=torch.float64)[:, None]
    torch.testing.assert_close(slope(a, function(a)), by_differences(function, a)[..., 0], rtol=1e-7, atol=1e-9)
    bent = by_differences(lambda at: slope(at, function(at)), a)[..., 0]
    torch.testing.assert_close(curvature(a, function(a)), bent, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("hidden", [(), (5,), (4, 3), (4, 3, 5)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hessian_and_pulled_back_gradient_of_a_scalar_network(activation: str, hidden: tuple[int, ...]) -> None:
    net = LinearPlusMLP(3, 1, hidden, activation)
    shaken(net, 3)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    gradient = net.input_jacobian(x)[:, 0]
    torch.testing.assert_close(gradient.detach(), by_differences(lambda y: net(y)[:, 0].detach(), x), rtol=1e-6, atol=1e-8)
    hessian = net.hessian(x).detach()
    torch.testing.assert_close(hessian, by_differences(lambda y: net.input_jacobian(y)[:, 0].detach(), x), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(hessian, hessian.mT, rtol=0, atol=1e-12)
    by_parameters = torch.cat(net.gradient_pull_back(x[:, None], torch.eye(3, dtype=x.dtype).expand(4, 1, 3, 3)), dim=-1).detach()
    for i in range(4):
        for k in range(3):
            pieces = torch.autograd.grad(
                gradient[i, k], list(net.parameters()), retain_graph=True, allow_unused=True, materialize_grads=True
            )
            torch.testing.assert_close(by_parameters[i, k], torch.cat([p.flatten() for p in pieces]), rtol=1e-11, atol=1e-12)


def test_a_network_without_hidden_layers_is_affine() -> None:
    net = LinearPlusMLP(3, 2, (), "tanh")
    shaken(net, 4)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    slope = (net.linear.weight + net.layers[0].weight).detach()
    torch.testing.assert_close(net(x).detach(), x @ slope.T + net.layers[0].bias.detach(), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(net.input_jacobian(x).detach(), slope.expand(4, 2, 3), rtol=1e-14, atol=1e-14)


def test_an_unknown_activation_names_the_closest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown activation 'tan'; did you mean 'tanh'\? Choose from: silu, sine, softplus, tanh"):
        FirstOrderField(2, 0, (4,), "tan")


class Aging(AbstractField):
    """dz/dt = -(k t) z, with the derivatives that every field has by default."""

    n_states, n_inputs = 2, 0

    def __init__(self) -> None:
        super().__init__()
        self.k = torch.nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        return -self.k * t.unsqueeze(-1) * z

    def penalty_groups(self) -> list[list[list[str]]]:
        return []


def test_default_derivatives_are_those_at_the_time_of_each_state() -> None:
    field = Aging()
    t, z, u = point(field, batch=6)
    torch.testing.assert_close(field.state_jacobian(t, z, u), -0.5 * t[:, None, None] * torch.eye(2).double())
    torch.testing.assert_close(field.state_jacobian(t[0], z, u), -0.5 * t[0] * torch.eye(2).double().expand(6, 2, 2))
    left = torch.eye(2, dtype=torch.float64).expand(2, 3, 2, 2)
    (pulled,) = field.pull_back(t.view(2, 3), z.view(2, 3, 2), u.view(2, 3, 0), left)
    torch.testing.assert_close(pulled[..., 0], -(t[:, None] * z).view(2, 3, 2).sum(1))
