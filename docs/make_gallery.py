"""Draw each system of the registry once, and each map, and write docs/gallery.md: ``python docs/make_gallery.py`` (``make gallery``)."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from physode import systems
from physode.systems.maps import MAPS

HERE = Path(__file__).parent
FIGURES = HERE / "figures"

# What to draw on which axes, over how many time scales; everything else is drawn as its first two states over 60 time scales.
VIEWS = {
    "double-pendulum": ("theta1", "theta2", 40),
    "double-pendulum-velocity": ("theta1", "omega1", 60),
    "elastic-pendulum": ("theta", "r", 150),
    "forced-duffing": ("x", "v", 150),
    "driven-pendulum": ("theta", "omega", 100),
    "henon-heiles": ("x", "y", 300),
    "lorenz": ("x", "z", 400),
    "rossler": ("x", "y", 200),
    "chua": ("x", "z", 400),
    "cubic-spiral": ("x", "y", 100),
    "linear-spiral": ("x", "y", 40),
    "random-spirals": ("x", "y", 12),
    "two-centre-spiral": ("x", "y", 10),
    "damped-sinusoids": ("x", "y", 30),
    "coupled-oscillators": ("x1", "x2", 80),
    "forced-van-der-pol": ("x", "v", 400),
    "van-der-pol": ("x", "v", 30),
    "lotka-volterra": ("x", "y", 12),
    "lotka-volterra-canonical": ("q", "p", 12),
    "two-body": ("x1", "y1", 12),
    "three-body": ("x1", "y1", 7),
}
SEVERAL = {
    "random-spirals": 12,
    "van-der-pol": 5,
    "lotka-volterra": 6,
    "lotka-volterra-canonical": 6,
    "pendulum": 6,
    "pendulum-canonical": 6,
    "duffing": 6,
    "mass-spring": 5,
}
# What is numbered upwards in a heat map over time, and what its colours are.
HEATED = {"lorenz-96": ("cell", "value"), "oscillator-chain": ("mass", "displacement")}


def draw(name: str) -> None:
    """Draw one system into docs/figures/<name>.svg."""
    system = systems.get(name)
    across, up, length = VIEWS.get(name, (system.states[0], system.states[1], 60))
    if name in HEATED:
        length = 100 if name == "lorenz-96" else 40
    time = np.linspace(0, length * system.time_scale, 4001)
    record = system.simulate(time, n_trajectories=SEVERAL.get(name), seed=2)
    figure, axes = plt.subplots(figsize=(3.2, 2.6), layout="constrained")
    if name in HEATED:
        shown = [state for state in system.states if state.startswith("x")]
        image = np.stack([record[state].values[0, ::20] for state in shown])
        heat = axes.imshow(
            image, aspect="auto", origin="lower", extent=(0, time[-1], 0.5, len(shown) + 0.5), cmap="RdBu_r", interpolation="nearest"
        )
        numbered, coloured = HEATED[name]
        axes.set(xlabel=f"time{units(system.time_units)}", ylabel=numbered)
        figure.colorbar(heat, label=f"{coloured}{units(system.quantity(shown[0]).units)}")
    else:
        pairs = [(across, up)] + [(f"x{i}", f"y{i}") for i in (2, 3) if name.endswith("-body") and f"x{i}" in system.states]
        for first, second in pairs:
            axes.plot(record[first].values.T, record[second].values.T, linewidth=0.7)
        axes.set(xlabel=label(system, across), ylabel=label(system, up))
        if name.endswith("-body"):
            axes.set(aspect="equal", xlabel="x", ylabel="y")
    figure.savefig(FIGURES / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def draw_pairs(name: str) -> None:
    """Draw one map into docs/figures/<name>.svg."""
    record = systems.draw_map(name, 400 if name != "parity" else 25, seed=0)
    figure, axes = plt.subplots(figsize=(3.2, 2.6), layout="constrained")
    if name == "parity":
        axes.plot(record.time, record.x1.values.T, color="C0", linewidth=0.7)
        axes.set(xlabel="time", ylabel="x1")
    else:
        axes.scatter(record.x1[:, 0], record.x2[:, 0], c=record.label[:, 1], s=4, cmap="coolwarm")
        axes.set(xlabel="x1", ylabel="x2", aspect="equal")
    figure.savefig(FIGURES / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def label(system: systems.System, state: str) -> str:
    """Return an axis label with units."""
    quantity = system.quantity(state)
    return f"{quantity.long_name}{units(quantity.units)}"


def units(text: str) -> str:
    """Return units in brackets, or nothing for a plain number."""
    return "" if text == "1" else f" ({text})"


def exponents(system: systems.System) -> str:
    """Return what is known exactly of the Lyapunov exponents, or nothing."""
    known, total = system.lyapunov_exponents, system.exponent_sum
    if known is not None:
        return f" Lyapunov exponents (exact): {', '.join(f'{value:.4g}' for value in known)}."
    return "" if total is None else f" Sum of the Lyapunov exponents (exact): {total:.6g}."


def card(name: str) -> str:
    """Return the gallery's entry of one system."""
    system = systems.get(name)
    parameters = "; ".join(f"`{c.name}` = {c.value:.4g}{'' if c.units == '1' else ' ' + c.units}: {c.meaning}" for c in system.constants)
    kept = [*(["energy"] if system.conserves_energy else []), *system.conserved]
    lines = [str(line) for line in str(system.equations()).splitlines()]
    if len(lines) > 12:
        lines = [*lines[:6], "...", *(line for line in lines if line.startswith("energy"))]
    # The equations of the larger systems would be wider than any page.
    shown = "\n".join(line if len(line) <= 160 else line[:157] + "..." for line in lines)
    return (
        f"## {system.title}\n\n![{system.title}](figures/{name}.svg)\n\n`systems.get({name!r})`\n\n```text\n{shown}\n```\n\n"
        f"Parameters: {parameters}.  \nConserved: {', '.join(kept) or 'nothing'}. Symmetries: {system.symmetries}.{exponents(system)}  \n"
        f"{system.reference}, [doi:{system.doi}](https://doi.org/{system.doi})\n"
    )


def map_card(name: str) -> str:
    """Return the gallery's entry of one map."""
    chosen = MAPS[name]
    return (
        f"## {name.replace('-', ' ').capitalize()}\n\n![{name}](figures/{name}.svg)\n\n`systems.draw_map({name!r}, 400)`: "
        f"{chosen.meaning}.  \n"
        f"{chosen.reference}, [doi:{chosen.doi}](https://doi.org/{chosen.doi})\n"
    )


def main() -> None:
    """Draw everything and write the page."""
    mpl.use("agg")
    mpl.rcParams.update({"svg.hashsalt": "physode", "svg.fonttype": "none", "path.simplify_threshold": 0.3, "font.size": 8})
    FIGURES.mkdir(exist_ok=True)
    for name in systems.names():
        draw(name)
    for name in systems.map_names():
        draw_pairs(name)
    page = [
        (
            "# Gallery\n\nEvery system that `physode.systems` simulates and every map that it draws, at the default parameters. "
            "This page and its figures are made by `make gallery`.\n"
        ),
        *(card(name) for name in systems.names()),
        "# Maps\n\nPairs (x, y) in the same data contract with two times, to be learned as flows.\n",
        *(map_card(name) for name in systems.map_names()),
    ]
    (HERE / "gallery.md").write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
