"""Measure what the analyses say of known systems and of fits, and write docs/analysis.md: ``make analysis`` (about ten minutes)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

import physode
from physode import analysis, plotting, systems
from physode.trajectories import add_noise

HERE = Path(__file__).parent

ORBIT = {"duration": 1000.0, "transient": 0.0}
CYCLE = {"n_trajectories": 16, "duration": 400.0, "transient": 60.0}
POINT = {"n_trajectories": 8, "duration": 100.0, "transient": 200.0}
EXACT = [
    ("linear spiral", "linear-spiral", {}, None, "-0.1, -0.1", {}),
    ("damped oscillator, γ = 0.2", "damped-oscillator", {"gamma": 0.2, "omega": 1.0}, None, "-0.1, -0.1", {}),
    ("damped oscillator, γ = 3", "damped-oscillator", {"gamma": 3.0, "omega": 1.0}, None, "-0.38197, -2.61803", {}),
    ("harmonic oscillator", "harmonic-oscillator", {}, None, "0, 0", {}),
    ("pendulum, 1 rad", "pendulum", {"gravity": 1.0}, {"theta": 1.0, "omega": 0.0}, "0, 0 (bias ln T / T)", ORBIT),
    ("Lotka-Volterra (1.5, 1, 1, 3)", "lotka-volterra", {"alpha": 1.5, "beta": 1.0, "delta": 1.0, "gamma": 3.0}, {"x": 1.0, "y": 1.0},
     "0, 0 (bias ln T / T)", ORBIT),
    *((f"Van der Pol, μ = {mu:g}", "van-der-pol", {"mu": mu}, None, f"0, {value}", CYCLE)
      for mu, value in ((0.5, -0.507731), (1.0, -1.059377), (2.0, -2.382560), (3.0, -3.939110))),
    ("Lorenz, ρ = 20", "lorenz", {"rho": 20.0}, None, "-0.154792, -0.154792, -13.357083", POINT),
    ("Lorenz", "lorenz", {}, None, "0.9056(2), 0, -14.5723(2)", {}),
    ("Rössler", "rossler", {}, None, "0.0718(3), 0, -5.3945(2)", {}),
]  # fmt: skip


def save(name: str, draw: Callable[..., Axes], *arguments: object, **options: object) -> str:
    """Draw a figure into docs/figures and return its line in the page."""
    axes = draw(*arguments, **options)
    figure = axes.get_figure(root=True)
    figure.set_size_inches(7.0, 3.4)
    plotting.save_svg(figure, HERE / "figures" / f"analysis-{name}.svg")
    return f"![{name}](figures/analysis-{name}.svg)\n"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table in Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def with_error(values: xr.DataArray, errors: xr.DataArray) -> str:
    """Write numbers with their standard errors."""
    return ", ".join(f"{v:.5f} ± {e:.5f}" for v, e in zip(values.values + 0.0, errors.values, strict=True))


def exponents() -> str:
    """Exponents that are known, beside those found."""
    rows = []
    for title, name, parameters, start, expected, options in EXACT:
        begun = time.process_time()
        found = physode.lyapunov_spectrum(systems.get(name, **parameters), initial_states=start, **options)
        numbers = with_error(found.lyapunov_exponent, found.standard_error)
        rows.append([title, expected, numbers, f"{float(found.mean_divergence):.5f}", f"{time.process_time() - begun:.1f}"])
    maps = [
        ("logistic map, r = 4", "logistic", "ln 2 = 0.69315"),
        ("Arnold's cat map", "arnold-cat", "±0.96242"),
        ("Hénon map", "henon", "0.41922, -1.62319"),
    ]
    for title, name, expected in maps:
        found = analysis.map_exponents(systems.iterated_map(name), n_steps=5000)
        rows.append([title, expected, with_error(found.lyapunov_exponent, found.standard_error), "", ""])
    lorenz = physode.lyapunov_spectrum(systems.get("lorenz"), history=True)
    local = analysis.local_exponents(systems.get("lorenz"))
    return (
        "## Lyapunov exponents\n\nWhat is known exactly or from the literature, and what `physode.lyapunov_spectrum` finds, with standard "
        "errors; the sum of the exponents must be the mean divergence of the same run.\n\n"
        + table(["system", "known", "found", "mean divergence", "seconds of one core"], rows)
        + "\n"
        + save("history", plotting.plot_exponent_history, lorenz)
        + save("local", plotting.plot_local_exponents, local)
    )


def lorenz_fit() -> str:
    """A network fitted to Lorenz' system, and its attractor."""
    lorenz = systems.get("lorenz")
    times = np.linspace(0, 20, 1001)
    near = lorenz.simulate(times, n_trajectories=20, seed=0)
    later = lorenz.simulate([0.0, 10.0], n_trajectories=20, seed=0).isel(time=1)
    settled = {state: later[state].values for state in lorenz.states}
    fits, seconds = {"Lorenz": lorenz}, []
    for name, record in (
        ("network, from states near the attractor", near),
        ("network, from the attractor alone", lorenz.simulate(times, settled)),
    ):
        begun = time.process_time()
        fits[name] = physode.NeuralODE().fit(record, seed=0)
        seconds.append(f"{time.process_time() - begun:.0f}")
    found = physode.lyapunov_spectrum(fits)
    rows = [
        [
            name,
            with_error(found.lyapunov_exponent.sel(model=name), found.standard_error.sel(model=name)),
            f"{float(found.kaplan_yorke_dimension.sel(model=name)):.4f}",
        ]
        for name in found.model.values
    ]
    equations = analysis.distill(fits["network, from states near the attractor"])
    return (
        "## A network in place of a law\n\n`NeuralODE()` with its defaults, fitted to 20 records of 20 time units without noise "
        f"({' and '.join(seconds)} s of one core), and the truth through the same analysis. Records that never leave the attractor do not "
        "show how what lies beside it is drawn in: the last exponent of a network that saw nothing else is its own.\n\n"
        + table(["", "exponents", "Kaplan-Yorke dimension"], rows)
        + "\nWhat `analysis.distill` writes of the first network:\n\n```text\n"
        + "\n".join(f"{state}' = {text}" for state, text in zip(equations.state.values, equations.equation.values, strict=True))
        + "\n```\n"
    )


def orbits() -> str:
    """Why a fit to one noisy orbit fails backward in time."""
    truth = systems.get("lotka-volterra", alpha=2 / 3, beta=4 / 3, delta=1.0, gamma=1.0)
    clean = truth.simulate(np.linspace(0, 20, 101), {"x": 1.0, "y": 1.0})
    fits = {
        "truth": truth,
        "fit without noise": physode.NeuralODE().fit(clean),
        "fit to noise 0.1": physode.NeuralODE().fit(add_noise(clean, {"x": 0.1, "y": 0.1}, seed=0)),
    }
    found = analysis.periodic_orbit(fits, {"x": 1.0, "y": 1.0})
    error = analysis.forecast_error(fits, clean, backward=True)
    rows = [
        [
            name,
            f"{float(found.period.sel(model=name)):.4f}",
            ", ".join(f"{v:.4g}" for v in found.multiplier_real.sel(model=name).values),
            f"{float(error.nrmse.sel(model=name).max()):.2g}",
        ]
        for name in fits
    ]
    return (
        "## Periodic orbits\n\nThe orbits of Lotka-Volterra lie side by side: both Floquet multipliers are 1. A learned field that draws "
        "trajectories to one orbit has a smaller second one, and pushes them away from it backward in time.\n\n"
        + table(["field", "period", "Floquet multipliers", "largest error backward, in standard deviations"], rows)
        + "\n"
        + save("nullclines", plotting.plot_nullclines, analysis.nullclines(truth))
    )


def forecasts() -> str:
    """Forecasts of held-out records, beside what any model must beat."""
    system = systems.get("lotka-volterra")
    train, test = (system.simulate(np.linspace(0, 12, 61), n_trajectories=n, noise=0.02, seed=seed) for n, seed in ((8, 0), (20, 1)))
    model = physode.NeuralODE().fit(train)
    mine = physode.forecast_error(model, test, warmup=10).expand_dims(model=["network"])
    beside = xr.concat(
        [mine, analysis.baselines(train, test, 10).drop_vars("order", errors="ignore")], "model", join="outer", combine_attrs="override"
    )
    rows = [
        [name, f"{float(beside.median_valid_time.sel(model=name)):.2f}", ", ".join(f"{v:.1f}" for v in beside.smape.sel(model=name).values)]
        for name in beside.model.values
    ]
    return (
        "## Forecasts\n\nTwenty held-out records of Lotka-Volterra with noise 0.02, each forecast from its first ten observations; "
        "eight others were fitted.\n\n"
        + table(["model", "median valid time (of 10)", "sMAPE of x, y (0 to 200)"], rows)
        + "\n"
        + save("forecast", plotting.plot_forecast_error, beside)
    )


def bands() -> str:
    """How far the bands of an ensemble can be trusted."""
    system, times = systems.get("damped-oscillator"), np.linspace(0.0, 10.0, 61)
    train, calibration, test = (
        system.simulate(times, n_trajectories=n, noise=0.05, seed=seed) for n, seed in ((8, 100), (40, 500), (60, 900))
    )
    ensemble = physode.Ensemble(physode.NeuralODE()).fit(train, seed=0)
    levels = analysis.LEVELS
    band, other = (analysis.prediction_band(ensemble, ds, levels, warmup=15) for ds in (test, calibration))
    corrected = analysis.conformal(band, other, calibration)
    rows = []
    for title, found in (
        ("ensemble", analysis.coverage(band, test)),
        ("after the conformal correction", analysis.coverage(corrected, test)),
    ):
        at = found.sel(level=0.9)
        rows.append(
            [
                title,
                ", ".join(f"{c:.3f} ± {e:.3f}" for c, e in zip(at.coverage.values, at.standard_error.values, strict=True)),
                f"{float(at.width.mean()):.3f}",
            ]
        )
    return (
        "## Bands\n\nThe 90 % band of eight members on sixty held-out records of a damped oscillator with noise 0.05 (position, velocity); "
        "forty more calibrate the correction.\n\n"
        + table(["band", "share of the truth that it holds", "width, in standard deviations"], rows)
        + "\n"
        + save("band", plotting.plot_band, band.sel(level=[0.5, 0.9]), record=test)
        + save("calibration", plotting.plot_calibration, analysis.coverage(band, test))
    )


def invariants() -> str:
    """Conserved quantities that the search claims, and where it claims none."""
    rows = []
    for name in ("harmonic-oscillator", "pendulum", "lotka-volterra", "henon-heiles", "damped-oscillator", "van-der-pol", "lorenz"):
        system = systems.get(name)
        found = analysis.find_invariant(system)
        rows.append(
            [system.title, ", ".join(system.invariants) or "none", "; ".join(f"`{text}`" for text in found.formula.values) or "none"]
        )
    return "## Conserved quantities\n\nWhat `analysis.find_invariant` claims of a field that it knows nothing of.\n\n" + table(
        ["system", "conserves", "claimed"], rows
    )


def main() -> None:
    """Measure everything and write the page."""
    mpl.use("agg")
    mpl.rcParams["font.size"] = 8
    head = (
        "# What the analyses say\n\nNumbers and figures of this page are measured by `make analysis`; the tests hold the same cases to "
        "their limits. Each analysis takes a System, a fitted model, an ensemble or many models at once, and returns a labelled Dataset.\n"
    )
    tail = (
        "## Hidden states\n\nWhether an augmented state means a velocity, and the same thing twice: see "
        "[the study](../studies/augmented-meaning/README.md).\n"
    )
    sections = [head, *(section() for section in (exponents, lorenz_fit, orbits, forecasts, bands, invariants)), tail]
    (HERE / "analysis.md").write_text("\n".join(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
