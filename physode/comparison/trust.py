"""How far each model can be trusted, in sentences that follow from the numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from physode.comparison.overview import number
from physode.comparison.replay import ENERGY_HORIZON
from physode.comparison.status import FAILED

__all__ = ["Verdict", "trust"]

SOLVED, SHARE = 1e-4, 0.1
"""The training solver solved the learned equation if its error is below this share of the spread, or this share of the residual."""

GOOD, POOR = 0.1, 0.5
"""Error over the spread: a forecast below the first is good, above the second it fails."""

EXPLAINED = 0.25
"""R2 below which a rough forecast explains little of what varies within the held-out part."""

OVERFIT = 3.0
"""Ratio of test to training error above which a model knows its training data better than the system."""

SAME_VELOCITY = 0.05
"""Error of a velocity over its spread below which it is the velocity, and not merely similar to it."""

KEPT, NEARLY = 0.01, 0.1
"""Drift of the energy, over its scale, below which it counts as kept, and as nearly kept."""


@dataclass(frozen=True)
class Verdict:
    """What to think of one model.

    Attributes
    ----------
    model : str
        Its name in the comparison.
    level : str
        ``"good"``, ``"caution"`` or ``"poor"``: the worst of what the sentences say.
    sentences : tuple of str
        What was found.
    """

    model: str
    level: str
    sentences: tuple[str, ...]


def trust(tree: xr.DataTree) -> list[Verdict]:
    """Judge each model of a comparison from its numbers.

    Parameters
    ----------
    tree : xarray.DataTree
        A comparison.

    Returns
    -------
    list of Verdict
        In the order of the comparison.
    """
    models, metrics = tree["models"].to_dataset(), tree["metrics"].to_dataset()
    verdicts = []
    for label in models["model"].values:
        found: list[tuple[int, str]] = []
        facts, scores = models.sel(model=label), metrics.sel(model=label)
        ended = ~np.isin(facts["status"].values, FAILED)
        found.append(_ended(int(ended.sum()), ended.size))
        if ended.any():
            found += [*_forecast(scores), *_solver(facts), *_velocity(facts, scores), *_energy(scores)]
        level = ("good", "caution", "poor")[max(severity for severity, _ in found)]
        verdicts.append(Verdict(str(label), level, tuple(text for _, text in found)))
    return verdicts


def _ended(done: int, total: int) -> tuple[int, str]:
    if done == total:
        who = {1: "The fit", 2: "Both fits"}.get(total, f"All {total} fits")
        return 0, f"{who} came to an end."
    return (1 if done else 2), f"{total - done} of {total} fits failed; their messages are below."


def _forecast(scores: xr.Dataset) -> list[tuple[int, str]]:
    if "nrmse" not in scores:
        return []
    error = (scores["nrmse"] ** 2).mean("state") ** 0.5
    test, train = error.sel(split="test"), error.sel(split="train")
    ratios = test.where(np.isfinite(test)) / train  # what ran away has none
    worst, median = float(test.max()), float(test.median())
    if np.isnan(median):
        return [(1, "There is no error on held-out data to judge it by.")]
    if np.isinf(median):
        return [(2, "Its forecast of held-out data fails: it runs away.")]
    severity = 0 if worst < GOOD else 1 if median < POOR else 2
    words = ("It forecasts held-out data well", "Its forecast of held-out data is rough", "Its forecast of held-out data fails")
    out = [(severity, f"{words[severity]}: the error is {number(median)} of the data's spread (worst seed {number(worst)}).")]
    explained = float(scores["r2"].sel(split="test").mean("state").median())
    if severity and explained < EXPLAINED:
        out.append((1, f"It explains little of what varies within the held-out part (R2 {number(explained)})."))
    fitted, best = float(train.median()), float(train.min())
    if fitted > POOR:
        lost = f"It does not follow the data that it was fitted to (error {number(fitted)} of their spread)"
        follows = f"but its best seed does ({number(best)}): whether a fit succeeds depends on the seed"
        out.append((2, f"{lost}: it cannot represent them." if best > POOR else f"{lost}, {follows}."))
    elif fitted > 0 and worst > GOOD / 2 and (ratio := float(ratios.median())) > OVERFIT:
        out.append((1, f"The error on held-out data is {number(ratio)} times that on the training data: it overfits."))
    return out


def _solver(facts: xr.Dataset) -> list[tuple[int, str]]:
    if "solver_error" not in facts or not np.isfinite(facts["solver_error"]).any():
        return []
    worst = float(facts["solver_error"].max())
    limit = np.maximum(SOLVED, SHARE * facts["loss"])
    if not (facts["solver_error"] > limit).any():
        solved = f"The training solver solved the learned equation (solver error {number(worst)} of the spread)"
        return [(0, f"{solved}, so the vector field may be read.")]
    missed = f"The training solver did not solve the learned equation (solver error {number(worst)} of the spread)"
    advice = "the network has absorbed part of that error, so use it with the step it was trained with and do not read its vector field."
    return [(1, f"{missed}: {advice}")]


def _velocity(facts: xr.Dataset, scores: xr.Dataset) -> list[tuple[int, str]]:
    if "velocity_nrmse" not in scores or np.isnan(scores["velocity_nrmse"]).all():
        return []
    worst = float(scores["velocity_nrmse"].sel(split="test").max())
    correlation = float(scores["velocity_correlation"].sel(split="test").min())
    numbers = f"in the worst seed its correlation with the truth is {number(correlation)} and its error {number(worst)} of the spread"
    if np.isinf(worst):
        numbers = "in the worst seed the prediction is lost before its end"
    held = {"velocity": "velocity", "augmented state": "augmented state"}
    kinds = [str(kind) for kind in facts["velocity_from"].values.ravel() if kind]
    subject = held.get(kinds[0], "velocity, the slope of its positions,") if kinds else "velocity"
    if worst < SAME_VELOCITY:
        return [(0, f"Its {subject} is the true velocity: {numbers}.")]
    return [(1, f"Its {subject} is not the true velocity: {numbers}. Read its positions only.")]


def _energy(scores: xr.Dataset) -> list[tuple[int, str]]:
    if "energy_drift" not in scores or np.isnan(scores["energy_drift"]).all():
        return []
    worst = float(scores["energy_drift"].max())
    severity, words = (
        (0, "It keeps the energy")
        if worst < KEPT
        else (0, "It nearly keeps the energy")
        if worst < NEARLY
        else (1, "It does not keep the energy")
    )
    return [
        (
            severity,
            f"{words}: within {ENERGY_HORIZON:g} times the record's length it drifts by {number(worst)} of the energy scale (worst seed).",
        )
    ]
