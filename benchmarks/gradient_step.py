"""One gradient step at equal work: batch 32, 101 times, a 2-64-64-2 tanh network, forward and backward through the solver, one thread.

Run it from the project's root: ``python benchmarks/gradient_step.py [--quick]``. The network follows Lotka-Volterra's field, the initial
states lie along its orbit, and every solver has the tolerances that diffrax and torchode document for neural ODEs (rtol 1e-3, atol 1e-6);
physode takes the fewest evaluations, by rk4 or rk5 in equal steps, whose error is no larger than diffrax's, or, without diffrax, than
torchdiffeq's. The solvers take turns of a few steps; times are medians of the processor's time, so that other work on the machine counts
little, and of the wall clock.
"""

from __future__ import annotations

import argparse
import os
import sys
import time as clock
from collections.abc import Callable
from dataclasses import dataclass

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np
import torch
import torchdiffeq
from torch import Tensor, nn

from physode.fields import FirstOrderField
from physode.solvers import RolloutSolver, RungeKuttaSolver
from physode.solvers.runge_kutta import RUNGE_KUTTA

BATCH, TIMES, DURATION, HIDDEN = 32, 101, 10.0, 64
RTOL, ATOL = 1e-3, 1e-6
MISSING = "{} is not installed: pip install 'physode[bench]'"


@dataclass
class Case:
    """One solver: a function that gives the loss's gradient by the first weight, the states and the number of evaluations."""

    name: str
    step: Callable[[], tuple[np.ndarray, np.ndarray, int]]
    compilation: float = 0.0


def main() -> None:
    """Print a table for each precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repeats, for a look")
    repeats = 3 if parser.parse_args().quick else 15
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    network, states = follow_lotka_volterra()
    for dtype in (torch.float32, torch.float64):
        show(network, states, dtype, repeats)


def follow_lotka_volterra() -> tuple[nn.Sequential, Tensor]:
    """Train a network on the field itself; give it with initial states along the orbit through (1, 1)."""

    def rate(_t: Tensor, z: Tensor) -> Tensor:
        x, y = z[..., 0], z[..., 1]
        return torch.stack([2 / 3 * x - 4 / 3 * x * y, x * y - y], dim=-1)

    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2)).double()
    points = 2.2 * torch.rand(400, 2, dtype=torch.float64)
    slopes = rate(points[0], points)
    optimiser = torch.optim.LBFGS(network.parameters(), max_iter=150, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = (network(points) - slopes).square().mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    orbit = torchdiffeq.odeint(rate, torch.ones(2, dtype=torch.float64), torch.linspace(0, 8, BATCH, dtype=torch.float64))
    return network, orbit


def show(network: nn.Sequential, start: Tensor, dtype: torch.dtype, repeats: int) -> None:
    """Print one precision's table."""
    time = torch.linspace(0, DURATION, TIMES, dtype=torch.float64)
    with torch.no_grad():
        exact = torchdiffeq.odeint(lambda _t, z: network(z), start, time, method="dopri8", rtol=1e-11, atol=1e-12).transpose(0, 1).numpy()
    mine = [torch.nn.Parameter(parameter.detach().to(dtype)) for parameter in network.parameters()]
    start, time = start.to(dtype), time.to(dtype)
    peers = [*torchdiffeq_cases(mine, start, time), *torchode_cases(mine, start, time), *diffrax_cases(mine, start, time)]
    reference = next((case for case in reversed(peers) if "tsit5" in case.name), peers[0])
    allowed = error_of(reference, exact)
    ours = physode_cases(mine, start, time)
    by_hand = next((case for case in ours[:-2] if error_of(case, exact) <= allowed), ours[-3])
    cases = [by_hand, *ours[-2:], *peers]
    spent: list[list[tuple[float, float]]] = [[] for _ in cases]
    for turn in range(repeats):
        for case, times in zip(cases, spent, strict=True):
            if turn > 1 and times[0][1] > 0.5:
                continue
            case.step()  # as in a fit, where the step before was the same
            for _ in range(3):
                began, wall = clock.process_time(), clock.perf_counter()
                case.step()
                times.append((clock.process_time() - began, clock.perf_counter() - wall))
    load = os.getloadavg()[0]
    print(f"\n{str(dtype).removeprefix('torch.')}, {repeats} turns of 3 steps each, load {load:.1f}; initial compilation in seconds")
    print(f"{'solver':<44}{'RMS error':>10}{'calls':>7}{'CPU [ms]':>10}{'wall [ms]':>10}{'compile':>9}{'ratio':>7}")
    base = 1e3 * np.median(np.array(spent[0])[:, 0])
    for case, times in zip(cases, spent, strict=True):
        processor, wall = 1e3 * np.median(np.array(times), axis=0)
        values = f"{error_of(case, exact):>10.1e}{case.step()[2]:>7}{processor:>10.2f}{wall:>10.2f}{case.compilation:>9.1f}"
        print(f"{case.name:<44}{values}{processor / base:>7.1f}", flush=True)


def error_of(case: Case, exact: np.ndarray) -> float:
    """Root mean square error of the states."""
    return float(np.sqrt(np.mean((np.asarray(case.step()[1], dtype=float) - exact) ** 2)))


def physode_cases(mine: list[nn.Parameter], start: Tensor, time: Tensor) -> list[Case]:
    """From few steps to many, and, last, one step an observation through torch's graph."""
    field = FirstOrderField(2, 0, (HIDDEN, HIDDEN), "tanh").to(start.dtype)
    with torch.no_grad():
        for parameter, value in zip(field.net.layers.parameters(), mine, strict=True):
            parameter.copy_(value)
    times = time.expand(BATCH, -1)

    def run(solver: RungeKuttaSolver, n_steps: int) -> Callable[[], tuple[np.ndarray, np.ndarray, int]]:
        n_stages = len(solver.tableau.b)

        def step() -> tuple[np.ndarray, np.ndarray, int]:
            field.zero_grad()
            states = solver.integrate(field, start, times, lambda t, inside=None: t.new_zeros(*t.shape, 0), DURATION / n_steps)
            states.square().mean().backward()
            dense = isinstance(solver, RolloutSolver) and n_steps < TIMES - 1
            return field.net.affine[0].weight.grad.numpy(), states.detach().numpy(), n_steps * n_stages + dense

        return step

    rk4 = RUNGE_KUTTA["rk4"]
    sizes = [(n * len(RUNGE_KUTTA[name].b), n, name) for name in ("rk4", "rk5") for n in (*range(8, 30), 35, 40, 50)]
    return [
        *(
            Case(f"physode {name} by hand, {n} steps, dense output", run(RolloutSolver(RUNGE_KUTTA[name]), n))
            for _, n, name in sorted(sizes)
        ),
        Case("physode rk4 by hand, on the grid", run(RolloutSolver(rk4), 100)),
        Case("physode rk4, autograd", run(RungeKuttaSolver(rk4), 100)),
    ]


class Counted(nn.Module):
    """The network as torch's solvers want it."""

    def __init__(self, mine: list[nn.Parameter]) -> None:
        super().__init__()
        layers = []
        for weight, bias in zip(mine[::2], mine[1::2], strict=True):
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            layer.weight, layer.bias = weight, bias
            layers += [layer, nn.Tanh()]
        self.net, self.calls = nn.Sequential(*layers[:-1]), 0

    def forward(self, _t: Tensor, z: Tensor) -> Tensor:
        """Give dz/dt."""
        self.calls += 1
        out: Tensor = self.net(z)
        return out


def torchdiffeq_cases(mine: list[nn.Parameter], start: Tensor, time: Tensor) -> list[Case]:
    """The same tolerances, the default ones, Runge-Kutta 4 on the grid, and the adjoint."""
    field = Counted(mine)

    def run(integrate: Callable[..., Tensor], **options: object) -> Callable[[], tuple[np.ndarray, np.ndarray, int]]:
        def step() -> tuple[np.ndarray, np.ndarray, int]:
            field.zero_grad()
            field.calls = 0
            states = integrate(field, start, time, **options)
            states.square().mean().backward()
            return mine[0].grad.numpy(), states.detach().transpose(0, 1).numpy(), field.calls

        return step

    same = {"rtol": RTOL, "atol": ATOL}
    return [
        Case("torchdiffeq dopri5", run(torchdiffeq.odeint, method="dopri5", **same)),
        Case("torchdiffeq dopri5, default tolerances", run(torchdiffeq.odeint, method="dopri5")),
        Case("torchdiffeq rk4 on the grid", run(torchdiffeq.odeint, method="rk4")),
        Case("torchdiffeq dopri5, adjoint", run(torchdiffeq.odeint_adjoint, method="dopri5", **same)),
    ]


def torchode_cases(mine: list[nn.Parameter], start: Tensor, time: Tensor) -> list[Case]:
    """Tsit5 with backpropagation, as in torchode's documentation."""
    try:
        import torchode
    except ImportError:
        print(MISSING.format("torchode"), file=sys.stderr)
        return []
    field = Counted(mine)
    term = torchode.ODETerm(field)
    method = torchode.Tsit5(term=term)
    solver = torchode.AutoDiffAdjoint(method, torchode.IntegralController(atol=ATOL, rtol=RTOL, term=term))

    def step() -> tuple[np.ndarray, np.ndarray, int]:
        field.zero_grad()
        field.calls = 0
        states = solver.solve(torchode.InitialValueProblem(y0=start, t_eval=time.expand(BATCH, -1))).ys
        states.square().mean().backward()
        return mine[0].grad.numpy(), states.detach().numpy(), field.calls

    return [Case("torchode tsit5", step)]


def diffrax_cases(mine: list[nn.Parameter], start: Tensor, time: Tensor) -> list[Case]:
    """Tsit5, jitted: one system of all trajectories, and each with steps of its own (vmap), as in diffrax's documentation."""
    try:
        import diffrax
        import jax
    except ImportError:
        print(MISSING.format("diffrax"), file=sys.stderr)
        return []
    jax.config.update("jax_enable_x64", True)
    weights = [jax.numpy.asarray(parameter.detach().numpy()) for parameter in mine]
    first, times = jax.numpy.asarray(start.numpy()), jax.numpy.asarray(time.numpy())

    def rate(_t, z, weights):
        for weight, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            z = jax.numpy.tanh(z @ weight.T + bias)
        return z @ weights[-2].T + weights[-1]

    def solve(weights, z):
        controller = diffrax.PIDController(rtol=RTOL, atol=ATOL)
        saved = diffrax.SaveAt(ts=times)
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(rate), diffrax.Tsit5(), 0.0, DURATION, None, z, weights, saveat=saved, stepsize_controller=controller
        )
        return found.ys, found.stats["num_steps"]

    def together(weights):
        states, steps = solve(weights, first)
        return (states**2).mean(), (states.swapaxes(0, 1), steps)

    def each(weights):
        states, steps = jax.vmap(solve, in_axes=(None, 0))(weights, first)
        return (states**2).mean(), (states, steps.max())

    cases = []
    for name, loss in (("diffrax tsit5, vmap", each), ("diffrax tsit5, one system", together)):
        gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))

        def step(gradient=gradient):
            (_, (states, steps)), slopes = gradient(weights)
            return np.asarray(slopes[0].block_until_ready()), np.asarray(states), 6 * int(steps) + 1

        began = clock.perf_counter()
        step()
        cases.append(Case(name, step, clock.perf_counter() - began))
    return cases


if __name__ == "__main__":
    main()
