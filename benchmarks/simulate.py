"""How fast and how exact many trajectories are simulated at once, beside a loop of scipy's solve_ivp at the same tolerance.

Run it from the project's root: ``python benchmarks/simulate.py [--quick]``. It prints one line per case: the time of physode, of the
loop, their ratio, and the largest difference of the first 200 trajectories from loops at rtol 1e-12.
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
import time

import numpy as np
from scipy.integrate import solve_ivp

from physode import systems

RTOL, ATOL = 1e-10, 1e-12
SPIRAL_TIMES, PENDULUM_TIMES = np.linspace(0, 31.45, 200), np.linspace(0, 10, 200)
CHECKED = 200


def loop(functions, starts, times, rtol, atol):
    """Integrate one trajectory after the other; the right-hand sides are as lean as numpy and math allow."""
    pairs = zip(functions, starts, strict=True)
    return np.stack([solve_ivp(f, times[[0, -1]], z, method="DOP853", t_eval=times, rtol=rtol, atol=atol).y for f, z in pairs])


def spirals(count):
    """Simulate random spirals; return the record and the loop's right-hand sides."""
    record = systems.get("random-spirals").simulate(SPIRAL_TIMES, n_trajectories=count, rtol=RTOL, atol=ATOL, seed=0)
    matrices = np.stack([record[name].values for name in ("a11", "a12", "a21", "a22")], -1).reshape(-1, 2, 2)
    return record, [lambda t, z, matrix=matrix: matrix @ z for matrix in matrices]


def pendulums(count):
    """Simulate pendulums of different lengths; return the record and the loop's right-hand sides."""
    lengths = np.random.default_rng(0).uniform(0.5, 2.0, size=count)
    record = systems.get("pendulum").simulate(
        PENDULUM_TIMES, n_trajectories=count, parameters={"length": lengths}, rtol=RTOL, atol=ATOL, seed=0
    )
    return record, [lambda t, z, pull=9.81 / length: (z[1], -pull * math.sin(z[0])) for length in lengths]


def compare(name, make, states, count):
    """Print one case."""
    make(2)  # compile before the clock starts, as the loop's functions are
    start = time.perf_counter()
    record, functions = make(count)
    seconds = time.perf_counter() - start
    times = record.time.values
    found = np.stack([record[state].values for state in states], axis=1)
    start = time.perf_counter()
    same = loop(functions, found[:, :, 0], times, RTOL, ATOL)
    slow = time.perf_counter() - start
    exact = loop(functions[:CHECKED], found[:CHECKED, :, 0], times, 1e-12, 1e-14)
    ours, theirs = (float(np.abs(run[:CHECKED] - exact).max()) for run in (found, same))
    print(
        f"{name:<31} {count:>5} x {len(times)}: physode {seconds:.3f} s, loop {slow:.2f} s, ratio {slow / seconds:.1f}; "
        f"largest difference from rtol 1e-12: {ours:.1e} (the loop's: {theirs:.1e})",
        flush=True,
    )


def memory():
    """Print the peak memory of 10,000 trajectories x 1,000 times x 4 states, in a fresh process."""
    command = [sys.executable, __file__, "--memory"]
    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout, end="")


def measure_memory():
    """Simulate the large record and say what it took."""
    start = time.perf_counter()
    record = systems.get("coupled-oscillators").simulate(np.linspace(0, 100, 1000), n_trajectories=10_000, noise=0.01, seed=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    sizes = " x ".join(str(size) for size in record.sizes.values())
    print(f"{'coupled oscillators with noise':<31} {sizes} x 4 states: {time.perf_counter() - start:.1f} s, peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 trajectories in place of 1,000, and no memory test")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        measure_memory()
    else:
        compare("random spirals", spirals, ("x", "y"), 100 if options.quick else 1000)
        compare("pendulums of different lengths", pendulums, ("theta", "omega"), 100 if options.quick else 1000)
        if not options.quick:
            memory()
