"""One record of 100,000 points, fitted in bounded memory.

Run it from the project's root: ``python benchmarks/large.py [case ...] [--points N]``. Each case runs in a process of its own, whose peak
memory (simulation, imports and all) is printed beside seconds of the processor and the test error: root mean square difference, in
standard deviations, between the learned motion and the true one over 15 units of time, from 20 true states along the record. "calls" are
evaluations of the field, each on the windows that a step takes. One thread.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time as clock

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import torch
import xarray as xr

from physode import systems
from physode.models import AbstractModel, get
from physode.trajectories import input_names, times

POINTS, GAP, DURATION, TESTS = 100_000, 0.05, 15.0, 20
TOLERANCES = {"rtol": 1e-7, "atol": 1e-9}  # of the simulated truth, far below the noise
AS_MEASURED = {"noise": 0.05}
GAPPY = {**AS_MEASURED, "irregular": True, "missing": 0.1}
CASES: dict[str, tuple[str, str, dict[str, object], dict[str, object]]] = {
    "default": ("van-der-pol", "node", {}, AS_MEASURED),
    "wide": ("van-der-pol", "node", {"hidden": (64, 64)}, AS_MEASURED),
    "gappy": ("van-der-pol", "node", {}, GAPPY),
    "wide-gappy": ("van-der-pol", "node", {"hidden": (64, 64)}, GAPPY),
    "driven": ("forced-oscillator", "node", {}, AS_MEASURED),
    "wide-driven": ("forced-oscillator", "node", {"hidden": (64, 64)}, AS_MEASURED),
    "hidden-velocity": ("van-der-pol", "sonode", {}, {**AS_MEASURED, "observe": ["x"]}),
}
"""System, model, its settings, and what is measured of the system."""


def main() -> None:
    """Run the cases, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", nargs="*", default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--here", action="store_true", help="in this process")
    options = parser.parse_args()
    if unknown := [name for name in options.case if name not in CASES]:
        parser.error(f"there is no case {', '.join(unknown)}; there are {', '.join(CASES)}.")
    if not options.here:
        print(
            f"{'case':<16}{'points':>8}{'parameters':>11}{'CPU [s]':>9}{'wall [s]':>9}{'peak [MiB]':>11}{'test error':>11}"
            f"{'calls':>9}  status",
            flush=True,
        )
    for name in options.case:
        if options.here:
            measure(name, options.points)
        else:
            subprocess.run([sys.executable, __file__, name, "--here", "--points", str(options.points)], check=True)


def measure(name: str, points: int) -> None:
    """Fit one case and print its row."""
    torch.set_num_threads(1)
    system, model_name, settings, measured = CASES[name]
    record = systems.get(system).simulate(np.arange(points) * GAP, n_trajectories=1, seed=0, **measured, **TOLERANCES)  # type: ignore[arg-type]
    began, used = clock.perf_counter(), clock.process_time()
    model = get(model_name, **settings).fit(record, seed=0)
    seconds, processor = clock.perf_counter() - began, clock.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = model.result_
    print(
        f"{name:<16}{points:>8}{model.n_parameters:>11}{processor:>9.0f}{seconds:>9.0f}{peak:>11.0f}"
        f"{test_error(model, record):>11.4f}{result.nfev:>9}"
        f"  {result.status}, windows of {round(result.window / GAP)}, loss {result.loss:.3f}",
        flush=True,
    )


def test_error(model: AbstractModel, record: xr.Dataset) -> float:
    """Error of the learned motion from true states of the record, in standard deviations of each state."""
    truth = {name: record[f"{name}_true"].values[0] for name in model.states}
    time, length = times(record)[0], round(DURATION / GAP)
    squares = []
    for start in np.linspace(0, len(time) - length - 1, TESTS).astype(int):
        rows = slice(start, start + length)
        inputs = {name: record[name].values[0, rows] for name in input_names(record)}
        found = model.simulate({name: value[start] for name, value in truth.items()}, time[rows], inputs=inputs)
        squares += [np.mean((found[name].values[0] - value[rows]) ** 2) / value.var() for name, value in truth.items()]
    return float(np.sqrt(np.mean(squares)))


if __name__ == "__main__":
    main()
