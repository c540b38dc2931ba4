"""Peak memory and time of one gradient against the number of solver steps, for each way to take it; draws docs/figures/memory.svg.

Run it from the project's root: ``python benchmarks/memory.py [--quick]``. A 2-64-64-2 tanh network, 32 trajectories, float64, dopri5 at
rtol 1e-6, and a loss of the final states, over longer and longer times. "checkpointed" integrates segments by torch.utils.checkpoint, as
many as the square root of the number of steps; "by hand" is physode's Runge-Kutta 5 with as many steps.
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
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import matplotlib.pyplot as plt
import numpy as np
import torch
from gradient_step import follow_lotka_volterra
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from physode.fields import FirstOrderField
from physode.solvers import AbstractSolver, RolloutSolver
from physode.solvers.adaptive import AdaptiveSolver
from physode.solvers.runge_kutta import RUNGE_KUTTA

FIGURE = Path("docs/figures/memory.svg")
RTOL, ATOL = 1e-6, 1e-8
STEPS_PER_TIME = 6.0
"""About as many as dopri5 takes here."""


def no_inputs(time: Tensor, inside: Tensor | None = None) -> Tensor:
    return time.new_zeros(*time.shape, 0)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short times only, and no figure")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    field, initial = learned_field()
    durations = [5.0, 10.0, 20.0] if quick else [5.0, 10.0, 20.0, 40.0, 80.0]
    rows: dict[str, list[tuple[int, float, float]]] = {}
    print(f"{'gradient':<22}{'steps':>7}{'peak [MiB]':>12}{'CPU [s]':>9}", flush=True)
    for duration in durations:
        for name, step in ways(field, initial, duration).items():
            n_steps = round(STEPS_PER_TIME * duration)
            peak, seconds = measure(step)
            rows.setdefault(name, []).append((n_steps, peak, seconds))
            print(f"{name:<22}{n_steps:>7}{peak:>12.1f}{seconds:>9.2f}", flush=True)
    if not quick:
        draw(rows)


def learned_field() -> tuple[FirstOrderField, Tensor]:
    """The network of gradient_step.py."""
    network, orbit = follow_lotka_volterra()
    field = FirstOrderField(2, 0, (64, 64), "tanh").double()
    with torch.no_grad():
        for parameter, value in zip(field.net.layers.parameters(), network.parameters(), strict=True):
            parameter.copy_(value)
    return field, orbit


def ways(field: FirstOrderField, initial: Tensor, duration: float) -> dict[str, Callable[[], None]]:
    """One gradient, taken in every way."""
    time = torch.tensor([0.0, duration], dtype=torch.float64).expand(len(initial), -1)
    n_steps = round(STEPS_PER_TIME * duration)

    def through(solver: AbstractSolver) -> Callable[[], None]:
        def step() -> None:
            field.zero_grad()
            solver.integrate(field, initial, time, no_inputs, duration / n_steps)[:, -1].square().mean().backward()

        return step

    backprop = AdaptiveSolver("dopri5", "backprop", RTOL, ATOL)

    def checkpointed() -> None:
        field.zero_grad()
        ends, z = np.linspace(0, duration, round(math.sqrt(n_steps)) + 1), initial
        for length in np.diff(ends):
            part = torch.tensor([0.0, length], dtype=torch.float64).expand(len(initial), -1)
            z = checkpoint(lambda z, part=part: backprop.integrate(field, z, part, no_inputs, 1.0)[:, -1], z, use_reentrant=False)
        z.square().mean().backward()

    adjoints = {name: through(AdaptiveSolver("dopri5", name, RTOL, ATOL)) for name in ("adjoint", "interpolated-adjoint")}
    return {"backprop": through(backprop), "checkpointed": checkpointed, **adjoints, "by hand": through(RolloutSolver(RUNGE_KUTTA["rk5"]))}


def measure(step: Callable[[], None]) -> tuple[float, float]:
    """Peak memory above that before, in MiB, and seconds of the processor; sampled every millisecond."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before, highest, done = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            highest[0] = max(highest[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = clock.thread_time()
    step()
    seconds = clock.thread_time() - began
    done.set()
    watcher.join()
    return max(highest[0] - before, 0.0), seconds


def resident() -> float:
    """Memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def draw(rows: dict[str, list[tuple[int, float, float]]]) -> None:
    """Write the figure."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    for name, values in rows.items():
        steps, peak, seconds = np.array(values).T
        axes[0].loglog(steps, np.maximum(peak, 0.1), marker="o", label=name)
        axes[1].loglog(steps, seconds, marker="o", label=name)
    for axis, label in zip(axes, ("peak memory [MiB]", "time [s]"), strict=True):
        axis.set(xlabel="solver steps", ylabel=label)
        axis.set_xticks(steps, labels=[f"{count:.0f}" for count in steps])
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False)
    figure.suptitle("Memory and time of one gradient")
    figure.savefig(FIGURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
