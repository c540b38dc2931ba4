"""Measured records by their official protocols: Silverbox, its small-signal slice, and the cascaded tanks.

PHYSODE_DATA=<folder> python benchmarks/measured.py [silverbox] [slice] [tanks] [--choose]

Scores are free runs after an initialisation window of 50 samples. No test sample decides anything: what had to be chosen was chosen on a
validation part cut from the training part, and ``--choose`` prints those scores in place of the table. One thread.
"""

from __future__ import annotations

import argparse
import os
import time as clock
from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from scipy.interpolate import CubicSpline

import physode
from physode.analysis import simulation_error
from physode.datasets import official_split
from physode.models import AbstractModel, get

WINDOW = 50
FINER = 5  # the input of Silverbox reaches 200 Hz at 610 samples a second, where straight lines between samples lose a third of it
PIECE, PIECES = 100, 40  # training trajectories of Silverbox: 20 spread evenly, 20 where the output is largest
FITTED = 50_000  # samples of Silverbox's training part; the other 15,062 choose
SLICE, SLICE_FITTED, SLICE_TEST = 1_000, 750, 5_000  # rows; the first and the last as in Norcliffe et al. 2020
TANKS_FITTED = 724  # samples of the tanks' training part that --choose fits, as in arXiv:2405.10779
SILVERBOX_CHOICES: tuple[dict[str, object], ...] = (
    {"hidden": (8,), "activation": "tanh"},
    {"hidden": (8,), "activation": "softplus"},
)
SILVERBOX = SILVERBOX_CHOICES[1]
SLICE_CHOICES: tuple[dict[str, object], ...] = ({"hidden": ()}, {"hidden": (2,)}, {"hidden": (8,)})
SLICE_MODEL = SLICE_CHOICES[0]  # a linear equation: validation asks for no hidden unit in motion this small


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", default=["silverbox", "slice", "tanks"])
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--seeds", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.which:
        (CHOICES if options.choose else TABLES)[name](options.seeds)


# Silverbox


def finer(parts: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Put each part on a clock `FINER` times as fast: a cubic spline through the input, no measurement of the output in between."""
    times, outputs, inputs = [], [], []
    for part in parts.values():
        t, n = part["time"].values, part.sizes["time"]
        fine = np.interp(np.arange((n - 1) * FINER + 1) / FINER, np.arange(n), t)
        output = np.full((len(fine), 1), np.nan)
        output[::FINER, 0] = part["V2"].values[0]
        times.append(fine - t[0])
        outputs.append(output)
        inputs.append(CubicSpline(t, part["V1"].values[0])(fine))
    units = {"time": "s", "V1": "V", "V2": "V"}
    return physode.from_numpy(
        times, outputs, ["V2"], inputs={"V1": inputs}, units=units, roles={"V2": "position"}, trajectories=list(parts)
    )


def pieces(train: xr.Dataset) -> dict[str, xr.Dataset]:
    """Cut training trajectories, half of them evenly spaced, the other half where the output is largest."""
    count = train.sizes["time"] // PIECE
    blocks = [train.isel(time=slice(k * PIECE, (k + 1) * PIECE)) for k in range(count)]
    largest = np.argsort([-float(abs(block["V2"]).max()) for block in blocks])[: PIECES // 2]
    spread = np.linspace(0, count - 1, PIECES - PIECES // 2).round().astype(int)
    return {f"piece {k}": blocks[k] for k in sorted({*largest.tolist(), *spread.tolist()})}


def choose_silverbox(_: int | None) -> None:
    """Print the validation score of each choice."""
    train = official_split("silverbox")["train"]
    held_out = finer({"validation": train.isel(time=slice(FITTED, None))})
    record = finer(pieces(train.isel(time=slice(FITTED))))
    for choice in SILVERBOX_CHOICES:
        model, said = timed_fit(get("sonode", **choice), record, 0)
        rmse = 1e3 * model.score(held_out, warmup=WINDOW * FINER, metric="rmse")
        print(f"silverbox validation, {choice}: {rmse:.3f} mV, fit {said}", flush=True)


def silverbox(seeds: int | None) -> None:
    """Print the three official scores."""
    parts = official_split("silverbox")
    record = finer(pieces(parts.pop("train").isel(time=slice(FITTED))))
    tests, found = finer(parts), []
    for seed in range(seeds or 3):
        model, said = timed_fit(get("sonode", **SILVERBOX), record, seed)
        began = clock.perf_counter()
        error = simulation_error(model, tests, warmup=WINDOW * FINER)
        scores = 1e3 * error["rmse"].values[0]
        found.append(scores)
        samples = error["scored"].values[0].tolist()
        print(
            f"silverbox, seed {seed}: {show(scores)} mV over {samples} samples, fit {said}, run {clock.perf_counter() - began:.0f} s",
            flush=True,
        )
    table("Silverbox, RMSE in mV after 50 samples", list(parts), found)
    print("  GRU, arXiv:2405.10779                 1.49 / 2.80 / 0.947\n  Duffing-NARX, 12 coefficients         0.498 / 0.858 / 0.442")


def choose_slice(_: int | None) -> None:
    """Print the validation score of each choice."""
    ds = physode.load_dataset("silverbox")
    record, held_out = (finer({"rows": ds.isel(time=slice(*ends))}) for ends in ((0, SLICE_FITTED), (SLICE_FITTED, SLICE)))
    for choice in SLICE_CHOICES:
        model, said = timed_fit(get("sonode", **choice), record, 0)
        print(
            f"slice, validation, {choice}: {1e3 * model.score(held_out, warmup=WINDOW * FINER, metric='rmse'):.3f} mV, fit {said}",
            flush=True,
        )


def silverbox_slice(seeds: int | None) -> None:
    """Print the scores on the slice of Norcliffe et al. 2020, beside those of a linear difference equation."""
    ds = physode.load_dataset("silverbox")
    train, test = ds.isel(time=slice(SLICE)), ds.isel(time=slice(SLICE, SLICE_TEST))
    found = []
    for seed in range(seeds or 3):
        model, said = timed_fit(get("sonode", **SLICE_MODEL), finer({"train": train}), seed)
        found.append([1e3 * model.score(finer({"test": test}), warmup=WINDOW * FINER, metric="rmse")])
        print(f"slice, seed {seed}: {show(found[-1])} mV, fit {said}", flush=True)
    table(f"Rows {SLICE}-{SLICE_TEST} after {WINDOW} samples, fitted to rows 0-{SLICE}, RMSE in mV", ["test"], found)
    print(f"  ARX(2, 2) with a constant             {1e3 * linear(train, test):.3f}")
    print(f"  standard deviation of the output      {1e3 * float(test['V2'][:, WINDOW:].std()):.3f}")


def linear(train: xr.Dataset, test: xr.Dataset) -> float:
    """RMSE in V of the free run of y[k] as a linear function of y[k-1], y[k-2], u[k], u[k-1] and u[k-2], from the end of the window."""
    u, y = train["V1"].values[0], train["V2"].values[0]
    rows = np.column_stack([y[1:-1], y[:-2], u[2:], u[1:-1], u[:-2], np.ones(len(y) - 2)])
    weights = np.linalg.lstsq(rows, y[2:], rcond=None)[0]
    u, y = test["V1"].values[0], test["V2"].values[0]
    run = y.copy()
    for k in range(WINDOW, len(y)):
        run[k] = weights @ [run[k - 1], run[k - 2], u[k], u[k - 1], u[k - 2], 1.0]
    return float(np.sqrt(np.mean((run - y)[WINDOW:] ** 2)))


# Cascaded tanks

TankChoice = tuple[str, dict[str, object], float, int]
"""Name, settings, the noise in V that the record is said to have (0 for unsaid), and of how many starts the best is kept."""
TANKS_CHOICES: tuple[TankChoice, ...] = (
    ("anode", {"hidden": (32,)}, 0.0, 1),
    ("sonode", {"hidden": (32,)}, 0.0, 1),
    ("sonode", {"hidden": (2,)}, 0.0, 1),
    ("sonode", {"hidden": (2,)}, 0.0, 4),
    ("anode", {"hidden": (4,)}, 1.0, 1),
    ("phnn", {"hidden": (8,), "n_augmented": 1, "convex": True}, 0.0, 1),
)
TANKS = TANKS_CHOICES[3]


def tank_fit(choice: TankChoice, train: xr.Dataset, seed: int) -> tuple[AbstractModel, str]:
    """Fit a model of the tanks from some starts; keep the one whose free run, which may be longer than windows, follows its record best."""
    name, settings, noise, starts = choice
    if noise:
        train = train.assign(y_noise_std=((), noise, {"units": "V", "role": "noise"}))
    fits = [timed_fit(get(name, **settings), train, starts * seed + k) for k in range(starts)]
    best, _ = min(fits, key=lambda fit: fit[0].score(train, metric="rmse"))
    return best, " + ".join(said for _, said in fits)


def choose_tanks(seeds: int | None) -> None:
    """Print the validation score of each choice."""
    train = official_split("cascaded-tanks")["train"]
    held_out = train.isel(time=slice(TANKS_FITTED, None))
    for choice in TANKS_CHOICES:
        found = []
        for seed in range(seeds or 5):
            model, _ = tank_fit(choice, train.isel(time=slice(TANKS_FITTED)), seed)
            found.append([model.score(held_out, warmup=WINDOW, metric="rmse")])
        table(f"Tanks, validation, {choice}, RMSE in V", ["validation"], found)


def tanks(seeds: int | None) -> None:
    """Print the official score over the seeds."""
    parts, found = official_split("cascaded-tanks"), []
    for seed in range(seeds or 10):
        model, said = tank_fit(TANKS, parts["train"], seed)
        found.append([model.score(parts["test"], warmup=WINDOW, metric="rmse")])
        print(
            f"tanks, seed {seed}: {show(found[-1])} V, on its own record {model.score(parts['train'], metric='rmse'):.3f} V, fit {said}",
            flush=True,
        )
    table("Cascaded tanks, RMSE in V after 50 samples", ["test"], found)
    print("  GRU, arXiv:2405.10779                 0.396\n  two tanks by Torricelli's law         0.343")


# All


def timed_fit(model: AbstractModel, record: xr.Dataset, seed: int) -> tuple[AbstractModel, str]:
    """Fit; say seconds, seconds of processor, load and status."""
    began, used = clock.perf_counter(), clock.process_time()
    model.fit(record, seed=seed)
    seconds, processor = clock.perf_counter() - began, clock.process_time() - used
    return model, f"{seconds:.0f} s ({processor:.0f} s of processor, load {os.getloadavg()[0]:.1f}, {model.result_.status})"


def show(numbers: object) -> str:
    """Join numbers by strokes."""
    return " / ".join(f"{number:.3f}" for number in np.atleast_1d(np.asarray(numbers, dtype=float)))


def table(title: str, parts: list[str], found: list[np.ndarray] | list[list[float]]) -> None:
    """Print median, least and largest over the seeds."""
    scores = np.array(found)
    print(f"\n{title} ({' / '.join(parts)}), {len(scores)} seeds")
    for label, row in (("median", np.median(scores, 0)), ("min", scores.min(0)), ("max", scores.max(0))):
        print(f"  physode, {label:<28} {show(row)}", flush=True)


TABLES = {"silverbox": silverbox, "slice": silverbox_slice, "tanks": tanks}
CHOICES = {"silverbox": choose_silverbox, "slice": choose_slice, "tanks": choose_tanks}

if __name__ == "__main__":
    main()
