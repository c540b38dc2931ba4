"""Peak memory and time of one gradient against the number of solver steps, for each way to take it; draws docs/figures/memory.svg.

Run it from the project's root: ``python benchmarks/memory.py [--quick]``. A 2-64-64-2 tanh network, 32 trajectories, float64, dopri5 at
rtol 1e-6, and a loss of the final states, over longer and longer times. Steps are those that dopri5 tries on the way forward, counted by
the evaluations. "checkpointed" integrates segments by torch.utils.checkpoint, as many as the square root of the number of steps, in its
reentrant form: the other one keeps a node and a placeholder for each operation, which here is half of what backpropagation keeps. "by hand"
is physode's Runge-Kutta 5 with as many steps. Each measurement has a process of its own, whose first gradient gives the memory and whose
second, which finds the memory ready as in a fit, the time. Medians of three processes.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import math
import os
import threading
import time as clock
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import matplotlib.pyplot as plt
import numpy as np
import torch
from gradient_step import follow_lotka_volterra
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from physode.fields import FirstOrderField
from physode.plotting import save_svg
from physode.solvers import AbstractSolver, RolloutSolver
from physode.solvers.adaptive import AdaptiveSolver
from physode.solvers.runge_kutta import RUNGE_KUTTA

FIGURE = Path("docs/figures/memory.svg")
FORK = get_context("fork")
RTOL, ATOL = 1e-6, 1e-8
BEFORE, STAGES = 2, 6
"""Evaluations of dopri5 before its first step, and in each step."""


class Counted(FirstOrderField):
    """A field that counts its evaluations."""

    calls = 0

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """See `AbstractField.forward`."""
        self.calls += 1
        return super().forward(t, z, u)


def no_inputs(time: Tensor, inside: Tensor | None = None) -> Tensor:
    return time.new_zeros(*time.shape, 0)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short times, once each, and no figure")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    field, initial = learned_field()
    durations, repeats = ([5.0, 10.0, 20.0], 1) if quick else ([5.0, 10.0, 20.0, 40.0, 80.0], 3)
    rows: dict[str, list[tuple[int, float, float]]] = {}
    print(f"{'gradient':<22}{'steps':>7}{'peak [MiB]':>12}{'CPU [s]':>9}", flush=True)
    for duration in durations:
        n_steps = count_steps(field, initial, duration)
        for name, step in ways(field, initial, duration, n_steps).items():
            memory, spent = np.median([measure(step) for _ in range(repeats)], axis=0)
            rows.setdefault(name, []).append((n_steps, memory, spent))
            print(f"{name:<22}{n_steps:>7}{memory:>12.1f}{spent:>9.2f}", flush=True)
    if not quick:
        draw(rows)


def learned_field() -> tuple[Counted, Tensor]:
    """The network of gradient_step.py."""
    network, orbit = follow_lotka_volterra()
    field = Counted(2, 0, (64, 64), "tanh").double()
    with torch.no_grad():
        for parameter, value in zip(field.net.layers.parameters(), network.parameters(), strict=True):
            parameter.copy_(value)
    return field, orbit


def count_steps(field: Counted, initial: Tensor, duration: float) -> int:
    """How many steps dopri5 tries."""
    field.calls = 0
    with torch.no_grad():
        AdaptiveSolver("dopri5", "backprop", RTOL, ATOL).integrate(field, initial, span(duration, len(initial)), no_inputs, 1.0)
    return (field.calls - BEFORE) // STAGES


def span(duration: float, count: int) -> Tensor:
    """First and last time of each trajectory."""
    return torch.tensor([0.0, duration], dtype=torch.float64).expand(count, -1)


def ways(field: Counted, initial: Tensor, duration: float, n_steps: int) -> dict[str, Callable[[], None]]:
    """One gradient, taken in every way."""
    time = span(duration, len(initial))

    def through(solver: AbstractSolver) -> Callable[[], None]:
        def step() -> None:
            field.zero_grad()
            solver.integrate(field, initial, time, no_inputs, duration / n_steps)[:, -1].square().mean().backward()

        return step

    backprop = AdaptiveSolver("dopri5", "backprop", RTOL, ATOL)

    def checkpointed() -> None:
        field.zero_grad()
        ends, z = np.linspace(0, duration, round(math.sqrt(n_steps)) + 1), initial.clone().requires_grad_()
        for length in np.diff(ends):
            part = span(length, len(initial))
            z = checkpoint(lambda z, part=part: backprop.integrate(field, z, part, no_inputs, 1.0)[:, -1], z, use_reentrant=True)
        z.square().mean().backward()

    adjoints = {name: through(AdaptiveSolver("dopri5", name, RTOL, ATOL)) for name in ("adjoint", "interpolated-adjoint")}
    return {"backprop": through(backprop), "checkpointed": checkpointed, **adjoints, "by hand": through(RolloutSolver(RUNGE_KUTTA["rk5"]))}


def measure(step: Callable[[], None]) -> tuple[float, float]:
    """Peak memory above that before, in MiB, and seconds of the processor."""
    here, there = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: there.send((peak(step), seconds(step))))
    process.start()
    there.close()
    found: tuple[float, float] = here.recv()
    process.join()
    return found


def peak(step: Callable[[], None]) -> float:
    """Peak memory above that before, in MiB, sampled every millisecond."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before, highest, done = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            highest[0] = max(highest[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    step()
    done.set()
    watcher.join()
    return max(highest[0] - before, 0.0)


def seconds(step: Callable[[], None]) -> float:
    """Seconds of the processor."""
    began = clock.process_time()
    step()
    return clock.process_time() - began


def resident() -> float:
    """Memory of this process in MiB, without what it shares with others."""
    pages, shared = (int(number) for number in Path("/proc/self/statm").read_text().split()[1:3])
    return (pages - shared) * os.sysconf("SC_PAGE_SIZE") / 2**20


def draw(rows: dict[str, list[tuple[int, float, float]]]) -> None:
    """Write the figure."""
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
    for name, values in rows.items():
        steps, memory, spent = np.array(values).T
        axes[0].loglog(steps, np.maximum(memory, 0.1), marker="o", label=name)
        axes[1].loglog(steps, spent, marker="o", label=name)
    for axis, label in zip(axes, ("peak memory [MiB]", "time [s]"), strict=True):
        axis.set(xlabel="solver steps", ylabel=label)
        axis.set_xticks(steps, labels=[f"{count:.0f}" for count in steps])
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    figure.suptitle("Memory and time of one gradient")
    save_svg(figure, FIGURE)


if __name__ == "__main__":
    main()
