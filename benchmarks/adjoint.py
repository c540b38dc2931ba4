"""What the adjoints cost: evaluations, reverse passes and time of one gradient of a second-order field, beside each other.

Run it from the project's root: ``python benchmarks/adjoint.py [--quick]``. Norcliffe et al. 2020 (arXiv:2006.07220) give the adjoint of
x'' = a(x, v) an equation of second order and prove that it costs no less than the coupled adjoint of first order: here a derivative of
a_v along the motion is taken at each evaluation. 30 damped oscillators, 100 times on [0, 10], 2-20-20-1 tanh, float64, tolerances 1e-6.
"""

from __future__ import annotations

import argparse
import os
import time as clock
from unittest import mock

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import torch
import torchdiffeq
from torch import Tensor

from physode.fields import SecondOrderField
from physode.solvers import AbstractSolver
from physode.solvers.adaptive import AdaptiveSolver
from physode.solvers.registry import GRADIENTS

RTOL, ATOL = 1e-6, 1e-8


class Counted(SecondOrderField):
    """A field that counts its evaluations."""

    calls = 0

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """See `AbstractField.forward`."""
        self.calls += 1
        return super().forward(t, z, u)


class Torchdiffeq(AbstractSolver):
    """torchdiffeq's own coupled adjoint."""

    def integrate(self, field: Counted, initial: Tensor, time: Tensor, inputs: object, max_step: float) -> Tensor:
        """See `AbstractSolver.integrate`."""
        u = initial[:, :0]

        class Rate(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.field = field

            def forward(self, t: Tensor, z: Tensor) -> Tensor:
                out: Tensor = field(t, z, u)
                return out

        options = {"step_t": time[0]}
        states: Tensor = torchdiffeq.odeint_adjoint(Rate(), initial, time[0], rtol=RTOL, atol=ATOL, method="dopri5", options=options)
        return states.transpose(0, 1)

    def sharpened(self, max_step: float, factor: float) -> tuple[AbstractSolver, float]:
        """See `AbstractSolver.sharpened`."""
        return self, max_step


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one repeat, for a look")
    repeats = 1 if parser.parse_args().quick else 5
    torch.set_num_threads(1)
    for count, said in ((2, "the end alone is observed"), (100, "100 times are observed")):
        show(torch.linspace(0, 10, count, dtype=torch.float64).expand(30, -1), said, repeats)


def show(time: Tensor, said: str, repeats: int) -> None:
    """Print one record's rows."""
    torch.manual_seed(0)
    field = Counted(1, 0, (20, 20), "tanh").double()
    with torch.no_grad():
        field.net.linear.weight.copy_(torch.tensor([[-1.01, -0.2]]))
        field.net.layers[-1].weight.mul_(30)
    initial = 2.5 * (2 * torch.rand(30, 2, dtype=torch.float64) - 1)
    tight = one(AdaptiveSolver("dopri8", "backprop", 1e-12, 1e-13), field, initial, time)[0]
    solvers: dict[str, AbstractSolver] = {name: AdaptiveSolver("dopri5", name, RTOL, ATOL) for name in GRADIENTS}
    solvers["torchdiffeq's adjoint"] = Torchdiffeq()
    rounds = [{name: one(solver, field, initial, time) for name, solver in solvers.items()} for _ in range(repeats)]
    seconds = {name: float(np.median([results[name][4] for results in rounds])) for name in solvers}
    print(f"\n{said}; medians of {repeats}, load {os.getloadavg()[0]:.1f}")
    print(f"{'gradient':<24}{'error':>9}{'forward':>9}{'backward':>10}{'passes':>8}{'CPU [s]':>9}{'ratio to adjoint':>18}")
    for name in solvers:
        gradient, forward, backward, passes, _ = rounds[0][name]
        error = float((gradient - tight).norm() / tight.norm())
        ratio = seconds[name] / seconds["adjoint"]
        print(f"{name:<24}{error:>9.1e}{forward:>9}{backward:>10}{passes:>8}{seconds[name]:>9.2f}{ratio:>18.2f}", flush=True)


def one(solver: AbstractSolver, field: Counted, initial: Tensor, time: Tensor) -> tuple[Tensor, int, int, int, float]:
    """Take one gradient; give it with the evaluations forward and backward, the reverse passes, and seconds of the processor."""
    start, began, field.calls = initial.clone().requires_grad_(), clock.process_time(), 0
    states = solver.integrate(field, start, time, lambda t, inside=None: t.new_zeros(*t.shape, 0), 1.0)
    forward, loss = field.calls, states[:, 1:].square().mean()
    with mock.patch.object(torch.autograd, "grad", wraps=torch.autograd.grad) as passes:
        loss.backward()
    parts = [start.grad, *(parameter.grad for parameter in field.parameters())]
    seconds = clock.process_time() - began
    gradient = torch.cat([part.reshape(-1) for part in parts])
    field.zero_grad()
    return gradient, forward, field.calls - forward, max(passes.call_count, 1), seconds


if __name__ == "__main__":
    main()
