"""What each field promises by its structure: kinematics, energy, divergence, a quiet start, and names of its parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from physode.fields import AbstractField, FirstOrderField, HamiltonianField, LogarithmicField, PortHamiltonianField, SecondOrderField

FIELDS: dict[str, AbstractField] = {
    "first-order": FirstOrderField(3, 1, (6, 5), "tanh"),
    "second-order": SecondOrderField(2, 1, (6, 5), "silu"),
    "hamiltonian": HamiltonianField(2, 1, (6, 5), "softplus"),
    "separable": HamiltonianField(2, 1, (6, 5), "sine", separable=True),
    "logarithmic": LogarithmicField(HamiltonianField(2, 1, (6, 5), "tanh")),
    "port-hamiltonian": PortHamiltonianField(4, 1, (6, 5), "tanh"),
}


PORTS = ("stiffness", "exchange", "damping", "supply")


def random_states(n_states: int, batch: int = 6) -> torch.Tensor:
    return torch.randn(batch, n_states, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


def hamiltonian(*, separable: bool, n_inputs: int = 0) -> HamiltonianField:
    field = HamiltonianField(2, n_inputs, (6, 5), "tanh", separable=separable).double()
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return field


@pytest.mark.parametrize("separable", [False, True])
def test_a_hamiltonian_field_keeps_volume_and_energy(separable: bool) -> None:
    field = hamiltonian(separable=separable)
    z = random_states(4).requires_grad_()
    no_inputs = z.new_zeros(6, 0)
    flow = field(z.new_zeros(6), z, no_inputs).detach()
    divergence = field.state_jacobian(z.new_zeros(6), z, no_inputs).diagonal(dim1=1, dim2=2).sum(1).detach()
    torch.testing.assert_close(divergence, torch.zeros_like(divergence), rtol=0, atol=1e-13)
    (gradient,) = torch.autograd.grad(field.hamiltonian(z).sum(), z)
    torch.testing.assert_close(field.gradient(z).detach(), gradient, rtol=1e-12, atol=1e-13)
    assert float((gradient * flow).sum(1).abs().max()) < 1e-12
    assert float(flow.norm(dim=1).min()) > 0.1
    torch.testing.assert_close(flow, torch.cat([gradient[:, 2:], -gradient[:, :2]], dim=1), rtol=1e-12, atol=1e-13)


def test_a_separable_hamiltonian_moves_positions_by_momenta_alone() -> None:
    z = random_states(4)
    nothing = (z.new_zeros(6), z.new_zeros(6, 0))
    for separable in (True, False):
        field = hamiltonian(separable=separable)
        jacobian = field.state_jacobian(nothing[0], z, nothing[1]).detach()
        of_own = torch.cat([jacobian[:, :2, :2], jacobian[:, 2:, 2:]]).abs().max()
        assert field.separable is separable
        assert float(of_own) == 0 if separable else float(of_own) > 0.1


def test_inputs_push_the_momenta_alone() -> None:
    field = hamiltonian(separable=False, n_inputs=3)
    z, u = random_states(4), random_states(3)
    push = (field(z[:, 0], z, u) - field(z[:, 0], z, torch.zeros_like(u))).detach()
    torch.testing.assert_close(push[:, 2:], u @ field.coupling.detach().T, rtol=1e-12, atol=1e-13)
    assert float(push[:, :2].abs().max()) == 0


def test_a_field_in_logarithms_moves_each_state_in_proportion_to_itself() -> None:
    inner = hamiltonian(separable=False)
    field = LogarithmicField(inner).double()
    shift, spread = torch.tensor([1.0, 2.0, 3.0, 4.0]).double(), torch.tensor([0.5, 2.0, 1.0, 3.0]).double()
    field.shift.copy_(shift)
    field.spread.copy_(spread)
    states, nothing = random_states(4).exp(), torch.zeros(6, 0)
    z, w = states - shift, spread * (states / shift).log()
    with torch.no_grad():
        field.growth.copy_(torch.tensor([0.3, -1.0, 2.0, 0.7], dtype=torch.float64))
    push = field.growth * states / spread
    expected = states / spread * (inner(states[:, 0], w, nothing) + torch.cat([push[:, 2:], -push[:, :2]], dim=1))
    torch.testing.assert_close(field(z[:, 0], z, nothing), expected, rtol=1e-12, atol=1e-12)
    gone = field(z[:, 0], -shift - random_states(4).exp(), nothing).detach()
    assert bool(gone.isfinite().all()) and float(gone.abs().max()) < 1e-3


def test_a_field_in_logarithms_conserves_its_energy() -> None:
    field = LogarithmicField(hamiltonian(separable=True)).double()
    with torch.no_grad():
        field.growth.copy_(torch.tensor([0.3, -1.0, 2.0, 0.7], dtype=torch.float64))
    z = (random_states(4).exp() - 1).requires_grad_()
    (gradient,) = torch.autograd.grad(field.hamiltonian(z).sum(), z)
    slope = field(z[:, 0], z, torch.zeros(6, 0)).detach()
    size = (gradient * slope).abs().sum(1)
    assert float(size.min()) > 1e-3
    assert float(((gradient * slope).sum(1).abs() / size).max()) < 1e-12


def test_the_law_of_a_field_in_logarithms_is_that_of_lotka_and_volterra() -> None:
    field = LogarithmicField(HamiltonianField(1, 0, (3,), "tanh")).double()
    assert field.penalty_groups()[-1][-1] == ["growth", "inner.nets.0.linear.weight"]
    for parameter in field.parameters():
        nn.init.zeros_(parameter)
    alpha, beta, gamma, delta = 1.1, 0.4, 0.7, 0.2
    with torch.no_grad():
        field.growth.copy_(torch.tensor([-delta, -beta], dtype=torch.float64))
        dict(field.named_parameters())["inner.nets.0.linear.weight"].copy_(torch.tensor([[gamma, alpha]], dtype=torch.float64))
    x, y = states = random_states(2).exp().T
    z = states.T - 1
    expected = torch.stack([alpha * x - beta * x * y, delta * x * y - gamma * y], dim=1)
    torch.testing.assert_close(field(z[:, 0], z, torch.zeros(6, 0)).detach(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("convex", [False, True])
def test_a_port_hamiltonian_field_gains_energy_by_its_inputs_alone(convex: bool) -> None:
    field = PortHamiltonianField(3, 2, (6,), "tanh", convex=convex).double()
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    z, u = random_states(3).requires_grad_(), random_states(2)
    energy = field.hamiltonian(z)
    (gradient,) = torch.autograd.grad(energy.sum(), z)
    torch.testing.assert_close(field.gradient(z).detach(), gradient, rtol=1e-12, atol=1e-13)
    lost = (gradient @ field.damping.detach()).square().sum(1)
    alone, driven = (field(z[:, 0], z, inputs).detach() for inputs in (torch.zeros_like(u), u))
    torch.testing.assert_close((gradient * alone).sum(1), -lost, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(driven - alone, u @ field.supply.detach().T, rtol=1e-12, atol=1e-13)
    assert float(lost.min()) > 0.01


def test_a_convex_energy_has_no_second_valley() -> None:
    curvatures = {}
    for convex in (False, True):
        field = PortHamiltonianField(3, 0, (6,), "sine", convex=convex).double()
        generator = torch.Generator().manual_seed(9)
        with torch.no_grad():
            for parameter in field.net.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        curvatures[convex] = float(torch.linalg.eigvalsh(field.net.hessian(random_states(3, 50))).detach().min())
    assert curvatures[False] < -0.1
    assert curvatures[True] >= -1e-12


def test_a_second_order_field_moves_positions_by_the_velocities() -> None:
    field = SecondOrderField(2, 1, (6,), "tanh").double()
    z, u = random_states(4), random_states(1)
    out = field(z[:, 0], z, u).detach()
    assert torch.equal(out[:, :2], z[:, 2:])
    torch.testing.assert_close(out[:, 2:], field.net(torch.cat([z, u], dim=1)).detach(), rtol=0, atol=1e-15)
    assert field.n_states == 4


@pytest.mark.parametrize("name", FIELDS)
def test_penalty_groups_name_every_parameter_once_but_those_that_couple(name: str) -> None:
    field = FIELDS[name]
    existing = dict(field.named_parameters())
    groups = [group for together in field.penalty_groups() for group in together]
    named = [parameter for group in groups for parameter in group]
    assert len(named) == len(set(named))
    assert set(existing) - set(named) == {key for key in existing if key.endswith(("coupling", *PORTS))}
    assert len(groups) == (8 if name == "separable" else 4)


@pytest.mark.parametrize("name", FIELDS)
def test_a_fresh_field_is_close_to_standing_still_and_follows_the_seed(name: str) -> None:
    def make(seed: int) -> AbstractField:
        torch.manual_seed(seed)
        field: AbstractField = HamiltonianField(2, 1, (64,), "tanh") if name == "hamiltonian" else FirstOrderField(4, 1, (64,), "tanh")
        return field.double()

    z, u = random_states(4), random_states(1)
    with torch.random.fork_rng():
        first, again, other = (make(seed)(z[:, 0], z, u).detach() for seed in (0, 0, 1))
    assert 0 < float(first.abs().max()) < 0.1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
