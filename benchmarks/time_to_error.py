"""Time to a test error: Lotka-Volterra from 101 noise-free points, the same network for everybody, one thread each.

Run it from the project's root: ``python benchmarks/time_to_error.py [--quick] [--cap SECONDS] [--only NAME]``. The record is (2/3, 4/3, 1,
1) from (1, 1) on [0, 10], the network 2-64-2 tanh, float64. Errors are mean squares against the noise-free truth on [0, 10] and on
[0, 20], of trajectories that DOP853 integrates (rtol 1e-9) for everybody. Each fit has a fresh process; imports do not count, compilation
does. The clock of a peer stands still while its error is measured. physode's model is seen through its public surface only: one fit gives
the processor's time at each step, and fits that a callback stops at step 1, 2, 3, ... give the errors there; what such a fit needs to end
is added. "never" stands for an error that was not reached before the cap, and ratios are then lower bounds.
"""

from __future__ import annotations

import argparse
import os
import time as clock
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np
import torch
from peer import BATCH, WINDOW, Field
from scipy.integrate import solve_ivp

import physode
from physode import systems
from physode.training import Progress, StopFit

Array = np.ndarray
Rate = Callable[[Array], Array]
"""dz/dt of one state."""

TIME = np.linspace(0.0, 20.0, 201)
LEARNED = 101
HIDDEN = 64
START = {"x": 1.0, "y": 1.0}
TARGETS = ((1e-4, LEARNED), (1e-6, len(TIME)), (1e-7, len(TIME)))
"""Mean square errors to reach, and over how many of the times."""
RTOL, ATOL = 1e-3, 1e-6
"""Tolerances of torchode's and diffrax's own neural ODE examples."""


@dataclass
class Run:
    """One fit: seconds of the processor and of the wall clock, evaluations and both errors at growing times."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    near: list[float] = field(default_factory=list)
    far: list[float] = field(default_factory=list)

    def note(self, cpu: float, wall: float, calls: int, rate: Rate) -> None:
        """Measure the error of a field."""
        near, far = errors(rate)
        for column, value in zip((self.cpu, self.wall, self.calls, self.near, self.far), (cpu, wall, calls, near, far), strict=True):
            column.append(value)

    def first(self, target: float, length: int, seconds: list[float]) -> float:
        """Seconds to the first error below a target, infinite if there was none."""
        reached = np.flatnonzero(np.array(self.near if length == LEARNED else self.far) <= target)
        return seconds[reached[0]] if len(reached) else np.inf

    def reached(self) -> bool:
        """Tell whether every target was reached."""
        return all(np.isfinite(self.first(target, length, self.cpu)) for target, length in TARGETS)


def main() -> None:
    """Run every fit for each seed and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, and a cap of 30 s")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cap", type=float, help="seconds of the processor for each peer; default 125 for torchdiffeq, 60 for the others")
    parser.add_argument("--only", choices=FITS, action="append", help="may be repeated; physode is always run")
    options = parser.parse_args()
    seeds = range(1 if options.quick else options.seeds)
    print(f"{'':<34}{'seconds of the processor, median [least, most], to a mean square error of':^84}{'error when it ended':^24}")
    heads = [f"{target:.0e} on [0, {TIME[length - 1]:.0f}]" for target, length in TARGETS]
    heads = [*(f"{head:>26}" for head in heads), f"{'ratio':>7}", f"{'[0, 10]':>11}", f"{'[0, 20]':>11}", f"{'least':>11}"]
    print(f"{'fit':<34}" + "".join(heads) + f"{'calls':>9}{'CPU':>8}{'wall':>8}{'load':>6}")
    base = 0.0
    for name in ["physode", *(name for name in FITS if name != "physode" and (not options.only or name in options.only))]:
        cap = options.cap or (30.0 if options.quick else 125.0 if name.startswith("torchdiffeq") else 60.0)
        runs = [in_fresh_process(name, seed, cap) for seed in seeds]
        times = np.array([[run.first(target, length, run.cpu) for target, length in TARGETS] for run in runs])
        base = base or float(np.median(times[:, 0]))
        show(name, runs, times, base)


def in_fresh_process(name: str, seed: int, cap: float) -> Run:
    """Run one fit where nothing has been compiled yet."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, name, seed, cap).result()


def measure(name: str, seed: int, cap: float) -> Run:
    """Run one fit in this process, on one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    if name == "physode":
        return run_physode(seed)
    run, steps = Run(), FITS[name](seed)
    cpu, wall, calls = 0.0, 0.0, 0
    while cpu < cap and not run.reached():
        began, started = clock.process_time(), clock.perf_counter()
        more, rate = next(steps)
        cpu, wall, calls = cpu + clock.process_time() - began, wall + clock.perf_counter() - started, calls + more
        run.note(cpu, wall, calls, rate)
    return run


def show(name: str, runs: list[Run], times: Array, base: float) -> None:
    """Print one row."""
    cells = []
    for column in times.T:
        least, middle, most = np.min(column), np.median(column), np.max(column)
        cells.append(f"{seconds(middle):>12} {'[' + seconds(least) + ', ' + seconds(most) + ']':>13}")
    middle = np.median(times[:, 0])
    longest = float(np.median([run.cpu[-1] for run in runs]))
    ratio = f"{middle / base:.1f}" if np.isfinite(middle) else f"> {longest / base:.0f}"
    ends = [np.median([run.near[-1] for run in runs]), np.median([run.far[-1] for run in runs]), np.median([min(run.near) for run in runs])]
    calls, wall = (np.median([column[-1] for column in columns]) for columns in ([r.calls for r in runs], [r.wall for r in runs]))
    print(
        f"{name:<34}{''.join(cells)}{ratio:>7}" + "".join(f"{value:>11.1e}" for value in ends) + f"{calls:>9.0f}{longest:>8.1f}{wall:>8.1f}"
        f"{os.getloadavg()[0]:>6.1f}",
        flush=True,
    )


def seconds(value: float) -> str:
    """Three digits, or a word."""
    return f"{value:.3g}" if np.isfinite(value) else "never"


def errors(rate: Rate) -> tuple[float, float]:
    """Mean square errors on [0, 10] and on [0, 20]; infinite where the field cannot be integrated."""
    found = solve_ivp(lambda _t, z: rate(z), TIME[[0, -1]], np.ones(2), method="DOP853", t_eval=TIME, rtol=1e-9, atol=1e-10)
    states = np.full((2, len(TIME)), np.inf)
    states[:, : found.y.shape[1]] = found.y
    square = (states.T - table()) ** 2
    return float(square[:LEARNED].mean()), float(square.mean())


def record():
    """Simulate the truth on [0, 20]."""
    return systems.get("lotka-volterra", alpha=2 / 3, beta=4 / 3, delta=1.0, gamma=1.0).simulate(TIME, START)


def table() -> Array:
    """Give the truth as an array of shape (time, state)."""
    if not _TABLE:
        _TABLE.append(np.stack([record()[name].values.squeeze() for name in ("x", "y")], axis=-1))
    return _TABLE[0]


_TABLE: list[Array] = []


def run_physode(seed: int) -> Run:
    """Fit by the defaults, and see how good the model was at each step."""
    ds = record().isel(time=slice(LEARNED))
    make = physode.NeuralODE
    clocks: list[tuple[float, float]] = []
    began, started = clock.process_time(), clock.perf_counter()
    whole = make(hidden=(HIDDEN,)).fit(ds, seed=seed, callback=lambda _: clocks.append((clock.process_time(), clock.perf_counter())))
    ended, finished = clock.process_time(), clock.perf_counter()
    run = Run()
    for step, (cpu, wall) in enumerate(clocks, start=1):
        stopped: list[tuple[float, float]] = []

        def stop(state: Progress, step: int = step, stopped: list[tuple[float, float]] = stopped) -> None:
            if state.epoch == step:
                stopped.append((clock.process_time(), clock.perf_counter()))
                raise StopFit

        model = make(hidden=(HIDDEN,)).fit(ds, seed=seed, callback=stop)
        rest = clock.process_time() - stopped[0][0], clock.perf_counter() - stopped[0][1]
        run.note(cpu - began + rest[0], wall - started + rest[1], model.result_.nfev, rate_of(model))
        if run.reached():
            break
    run.note(ended - began, finished - started, whole.result_.nfev, rate_of(whole))
    return run


def rate_of(model: physode.NeuralODE) -> Rate:
    """The learned field at one state."""
    return lambda z: model.rhs(0.0, z[None])[0]


def copied(network: torch.nn.Module) -> Rate:
    """A torch network of linear layers and tanh, in numpy."""
    return perceptron([parameter.detach().numpy().copy() for parameter in network.parameters()])


def perceptron(weights: list[Array]) -> Rate:
    """W2 tanh(W1 z + b1) + b2."""
    first, bias, second, offset = weights
    return lambda z: second @ np.tanh(first @ z + bias) + offset


Steps = Iterator[tuple[int, Rate]]
"""Trains on and on; gives the evaluations since the last time, and the field."""


class Counted(Field):
    """The network, its evaluations counted."""

    def __init__(self) -> None:
        super().__init__(2, (HIDDEN,))
        self.calls = 0

    def forward(self, t: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Give dz/dt."""
        self.calls += 1
        return super().forward(t, z)

    def since(self) -> int:
        """Evaluations since it was last asked."""
        calls, self.calls = self.calls, 0
        return calls


def torchdiffeq_whole(_seed: int) -> Steps:
    """The whole record, Adam(1e-2), default tolerances."""
    from torchdiffeq import odeint

    field, t, y = Counted(), torch.from_numpy(TIME[:LEARNED]), torch.from_numpy(table()[:LEARNED])
    return descend(field, torch.optim.Adam(field.parameters(), lr=1e-2), lambda: (odeint(field, y[0], t) - y).square().mean())


def torchdiffeq_windows(seed: int) -> Steps:
    """Its examples/ode_demo.py: 20 random windows of 10 points, RMSprop(1e-3), mean absolute error, default tolerances."""
    from torchdiffeq import odeint

    field, t, y = Counted(), torch.from_numpy(TIME[:WINDOW]), torch.from_numpy(table()[:LEARNED])
    draws = np.random.default_rng(seed)

    def loss() -> torch.Tensor:
        first = draws.choice(LEARNED - WINDOW, size=BATCH, replace=False)
        return (odeint(field, y[first], t) - torch.stack([y[first + k] for k in range(WINDOW)])).abs().mean()

    return descend(field, torch.optim.RMSprop(field.parameters(), lr=1e-3), loss)


def torchode_whole(_seed: int) -> Steps:
    """Tsit5 with the controller and tolerances of its documentation, Adam(1e-2), the whole record."""
    import torchode

    field, t, y = Counted(), torch.from_numpy(TIME[:LEARNED]), torch.from_numpy(table()[:LEARNED])
    term = torchode.ODETerm(field)
    solver = torchode.AutoDiffAdjoint(torchode.Tsit5(term=term), torchode.IntegralController(atol=ATOL, rtol=RTOL, term=term))

    def loss() -> torch.Tensor:
        return (solver.solve(torchode.InitialValueProblem(y0=y[:1], t_eval=t[None])).ys[0] - y).square().mean()

    return descend(field, torch.optim.Adam(field.parameters(), lr=1e-2), loss)


def descend(field: Counted, optimiser: torch.optim.Optimizer, loss: Callable[[], torch.Tensor]) -> Steps:
    """Step and step."""
    while True:
        for _ in range(5):
            optimiser.zero_grad()
            loss().backward()
            optimiser.step()
        yield field.since(), copied(field)


def diffrax_curriculum(seed: int) -> Steps:
    """Its examples/neural_ode.ipynb: tsit5, AdaBelief(3e-3), 500 steps on the first tenth of the record, then all of it."""
    import diffrax
    import equinox
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    network = equinox.nn.MLP(2, 2, HIDDEN, 1, activation=jax.numpy.tanh, key=jax.random.PRNGKey(seed))
    optimiser = optax.adabelief(3e-3)

    def loss(network, t, y):
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda _t, z, _args: network(z)),
            diffrax.Tsit5(),
            t[0],
            t[-1],
            t[1] - t[0],
            y[0],
            saveat=diffrax.SaveAt(ts=t),
            stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=ATOL),
        )
        return ((found.ys - y) ** 2).mean(), found.stats["num_steps"]

    @equinox.filter_jit
    def step(network, state, t, y):
        slopes, n_steps = equinox.filter_grad(loss, has_aux=True)(network, t, y)
        updates, state = optimiser.update(slopes, state)
        return equinox.apply_updates(network, updates), state, n_steps

    for length, rounds in ((LEARNED // 10, 20), (LEARNED, None)):
        t, y = jax.numpy.asarray(TIME[:length]), jax.numpy.asarray(table()[:length])
        state, done = optimiser.init(equinox.filter(network, equinox.is_inexact_array)), 0
        while rounds is None or done < rounds:
            counts = []
            for _ in range(25):
                network, state, n_steps = step(network, state, t, y)
                counts.append(n_steps)
            calls, done = sum(6 * int(n) + 1 for n in counts), done + 1
            yield calls, perceptron([np.asarray(w) for layer in network.layers for w in (layer.weight, layer.bias)])


FITS: dict[str, Callable[[int], Steps]] = {
    "torchdiffeq dopri5, Adam, whole": torchdiffeq_whole,
    "torchdiffeq dopri5, its windows": torchdiffeq_windows,
    "torchode tsit5, Adam, whole": torchode_whole,
    "diffrax tsit5, its curriculum": diffrax_curriculum,
}

if __name__ == "__main__":
    main()
