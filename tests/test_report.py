"""The page tells the numbers of the result and nothing that a name in the data could make it do."""

from __future__ import annotations

import base64
import html.parser
import re
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from physode.comparison import CellStore, open_result, summary
from physode.comparison.figures import Figure, draw_figures
from physode.comparison.files import tree_bytes
from physode.comparison.folder import ResultFolder
from physode.comparison.trust import trust
from physode.errors import ExistsError, FileFormatError
from physode.report import render, write_report

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'
FIGURE = Figure("one", "One", "A caption.", "What is seen.", SVG)


def make_tree(name="x", unit="m", label="node", other="plain", attr="lab", message="fine", warning=""):
    """A small comparison in which every text can be chosen: two models, two seeds, the last of which failed."""
    rng = np.random.default_rng(0)
    time, models, seeds, splits = np.linspace(0, 1, 11), [label, other], [0, 1], ["train", "test"]
    x = np.sin(time)[None] + rng.normal(0, 0.01, (3, 11))
    coords = {"trajectory": [0, 1, 2], "time": ("time", time, {"units": unit}), "split": ("trajectory", ["train", "train", "test"])}
    attrs = {"role": "state", "units": unit, "long_name": attr}
    observations = xr.Dataset({name: (("trajectory", "time"), x, attrs)}, coords, {"source": attr, "history": attr, "schema": "physode/1"})
    good = np.array([[1.0, 1.0], [1.0, np.nan]])
    grid = {"model": models, "seed": seeds}
    predictions = xr.Dataset({name: (("model", "seed", "trajectory", "time"), good[..., None, None] * x * 1.01, attrs)}, coords | grid)
    training = xr.Dataset({"loss": (("model", "seed", "epoch"), good[..., None] * [1.0, 0.1])}, grid | {"epoch": [0, 1]})
    numbers = {
        key: (("model", "seed", "split", "state"), rng.uniform(0.001, 0.02, (2, 2, 2, 1)) * good[..., None, None])
        for key in ("rmse", "nrmse")
    }
    numbers["r2"] = (("model", "seed", "split", "state"), 1 - 1e-5 * good[..., None, None] * np.ones((1, 1, 2, 1)))
    metrics = xr.Dataset(numbers, grid | {"split": splits, "state": [name]})
    texts = {
        "status": [["converged", "converged"], ["converged", "failed"]],
        "message": [["The fit converged.", "The fit converged."], ["The fit converged.", message]],
        "warnings": [[warning, ""], ["", ""]],
        "registry_name": [["node", "node"], ["node", ""]],
        "hyperparameters": [['{"hidden":[32]}', '{"hidden":[32]}'], ['{"hidden":[8]}', ""]],
    }
    facts = {"success": 1.0, "n_parameters": 98.0, "seconds": 1.5, "nfev": 100.0, "loss": 0.01, "solver_error": 1e-6}
    variables = {key: (("model", "seed"), value * good) for key, value in facts.items()} | {
        key: (("model", "seed"), v) for key, v in texts.items()
    }
    groups = {
        "observations": observations,
        "predictions": predictions,
        "training": training,
        "metrics": metrics,
        "models": xr.Dataset(variables, grid),
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=observations.attrs), **{f"/{key}": ds for key, ds in groups.items()}})


class Page(html.parser.HTMLParser):
    """What a browser would see: tags with attributes, and the text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return "".join(self.words)


PLAIN = Page(render(make_tree(), [FIGURE]))


def test_page_is_well_formed_and_sealed():
    assert [attrs for attrs in PLAIN.all("meta") if "http-equiv" in attrs] == [
        {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; img-src data:; style-src 'unsafe-inline'"}
    ]
    assert not PLAIN.all("script") and not PLAIN.all("a") and not PLAIN.all("link")
    assert PLAIN.all("html") == [{"lang": "en"}] and len(PLAIN.all("h1")) == 1 and len(PLAIN.all("title")) == 1
    assert all(attrs.get("scope") in ("col", "row") for attrs in PLAIN.all("th"))
    (image,) = PLAIN.all("img")
    assert image == {"alt": "What is seen.", "src": "data:image/svg+xml;base64," + base64.b64encode(SVG).decode()}
    page = render(make_tree(), [FIGURE])
    assert "prefers-color-scheme: dark" in page
    assert "http" not in re.sub(r"http-equiv", "", re.sub(r'src="data:[^"]*"', "", page))


def test_headings_are_in_order():
    levels = [int(tag[1]) for tag, _ in PLAIN.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))


def test_every_number_of_the_table_is_that_of_the_result():
    tree = make_tree()
    table = summary(tree)
    shown = [float(attrs["value"]) for attrs in PLAIN.all("data")]
    expected = [value for row in table.itertuples(index=False) for value in row if not isinstance(value, str) and np.isfinite(value)]
    assert shown == [float(value) for value in expected] and len(shown) > 20
    assert "[0.0" in PLAIN.text and "1/2" in PLAIN.text


def test_what_failed_and_what_warned_is_told():
    page = Page(render(make_tree(message="RuntimeError: no luck", warning="the data are thin\nthe record is short")))
    for words in ("plain, seed 1: failed: RuntimeError: no luck", "node, seed 0: the data are thin", "node, seed 0: the record is short"):
        assert words in page.text
    assert "1 of 2 fits failed" in page.text and "3 of 4 fits came to an end" in page.text
    assert "3 trajectories with 11 samples at the same times, from 0 to 1 m" in page.text


def test_bytes_are_the_same_each_time():
    tree = make_tree()
    figures = draw_figures(tree)
    assert [figure.name for figure in figures] == ["trajectories-1", "training"]
    assert render(tree, figures) == render(make_tree(), draw_figures(make_tree()))


def test_page_stays_below_two_megabytes():
    figures = [FIGURE, Figure("huge", "Huge", "", "Huge.", b"x" * 1_500_000)]
    page = render(make_tree(), figures)
    assert len(page) < 2_000_000 and "Too large for this page; see figures/huge.svg" in page
    assert len(Page(page).all("img")) == 1


PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg|onload=alert(1)>",
    "</td></table><b>out",
    "</style><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onload='alert(1)",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "$a$b$",
    "cost $",
    "a\u202eb\u0007c",
    "x" * 10_000,
]
PLACES = ["name", "unit", "label", "attr", "message", "warning"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_text_from_the_data_becomes_markup(payload, place):
    payload = payload.replace("/", "_") if place == "name" else payload  # a variable's name has no slash
    tree = make_tree(**{place: payload})
    page = Page(render(tree, [Figure("one", payload, payload, payload, SVG)]))
    assert [tag for tag, _ in page.tags if tag in ("script", "b", "svg")] == []
    allowed = {
        "alt",
        "src",
        "class",
        "scope",
        "tabindex",
        "role",
        "aria-label",
        "value",
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
    }
    assert {name for _, attrs in page.tags for name in attrs} <= allowed
    assert len(page.all("img")) == 1
    shown = re.sub("[\u202e\u0007]", "\N{REPLACEMENT CHARACTER}", payload)
    assert shown in page.text.replace("49", "") or shown in page.text
    assert "\u202e" not in page.text and "\u0007" not in page.text


@pytest.mark.parametrize("payload", ["<script>alert(1)</script>", "$a$b$", "cost $", "a\u202eb", "x" * 10_000], ids=range(5))
def test_figures_of_hostile_names_are_drawn(payload):
    for figure in draw_figures(make_tree(name=payload.replace("/", "_"), unit=payload, label=payload)):
        assert b"<script" not in figure.svg and figure.svg.startswith(b"<?xml")


def test_a_phase_portrait_has_a_panel_for_each_model_with_two_states_and_says_what_lies_below(monkeypatch):
    drawn = []
    monkeypatch.setattr("physode.plotting.svg_bytes", lambda canvas: drawn.append(canvas) or SVG)
    tree = make_tree(label="plain", other="node")
    position, seen = tree["predictions"].to_dataset()["x"], tree["observations"].to_dataset()
    hidden = {"v": position.where(position["model"] == "node")}
    for measured, attrs, over in (
        ({"v": seen["x"]}, {}, "seed, over the measured values (dots); crosses"),
        ({"v": seen["x"]}, {"system": "lab"}, "seed, over the truth (black); crosses"),
        ({}, {}, "of the first seed; crosses"),
    ):
        tree["predictions"] = tree["predictions"].to_dataset().assign(hidden)
        tree["observations"] = seen.assign(measured).assign_attrs(attrs)
        (figure,) = [figure for figure in draw_figures(tree) if figure.name == "phase-portrait"]
        canvas = [canvas for canvas in drawn if canvas.axes[0].get_title() == "node"][-1]
        assert over in figure.caption and canvas.axes[0].get_subplotspec().get_geometry()[:2] == (1, 1)


def test_verdicts_follow_from_the_numbers():
    node, plain = trust(make_tree())
    assert (node.model, node.level, plain.level) == ("node", "good", "caution")
    assert node.sentences[0] == "Both fits came to an end." and plain.sentences[0].startswith("1 of 2 fits failed")
    tree = make_tree()
    metrics, models = tree["metrics"].to_dataset(), tree["models"].to_dataset()
    poor = xr.DataTree.from_dict({"/metrics": metrics.assign(nrmse=metrics.nrmse * 0 + 0.9), "/models": models})
    assert trust(poor)[0].level == "poor" and "does not follow the data that it was fitted to" in trust(poor)[0].sentences[2]
    assert trust(poor)[0].sentences[2].endswith("(error 0.9 of their spread): it cannot represent them.")
    uneven = metrics.assign(nrmse=xr.DataArray([0.1, 1.1], dims="seed") + 0 * metrics.nrmse)
    (sentence,) = [text for text in trust(xr.DataTree.from_dict({"/metrics": uneven, "/models": models}))[0].sentences if "follow" in text]
    assert sentence.endswith("(error 0.6 of their spread), but its best seed does (0.1): whether a fit succeeds depends on the seed.")
    absorbed = xr.DataTree.from_dict({"/metrics": metrics, "/models": models.assign(solver_error=models.solver_error * 0 + 0.01)})
    assert "the network has absorbed part of that error" in trust(absorbed)[0].sentences[2] and trust(absorbed)[0].level == "caution"
    velocity = {"velocity_nrmse": metrics.nrmse * 0 + np.inf, "velocity_correlation": metrics.nrmse * np.nan}
    lost = xr.DataTree.from_dict({"/metrics": metrics.assign(velocity), "/models": models.assign(velocity_from="velocity")})
    assert any("is not the true velocity: in the worst seed the prediction is lost" in text for text in trust(lost)[0].sentences)


@pytest.fixture
def folder(tmp_path):
    ResultFolder(tmp_path / "run").write({"result.nc": tree_bytes(make_tree())})
    CellStore(tmp_path / "run" / "cells").root.mkdir()
    return tmp_path / "run"


def test_written_page_and_figures(folder):
    page = write_report(folder)
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert page == folder / "report.html" and sorted(path.name for path in (folder / "figures").iterdir()) == [
        "training.svg",
        "trajectories-1.svg",
    ]
    assert b"Comparison of node and plain on lab" in first[page]
    write_report(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first
    summary(open_result(folder))


def test_a_page_that_is_not_ours_is_left_alone(folder):
    (folder / "report.html").write_text("mine")
    with pytest.raises(ExistsError, match=r"report.html was not written by physode"):
        write_report(folder)
    assert (folder / "report.html").read_text() == "mine" and not (folder / "figures").exists()


def test_damaged_and_foreign_results_are_told(folder, tmp_path):
    (folder / "result.nc").write_bytes((folder / "result.nc").read_bytes()[:500])
    with pytest.raises(FileFormatError, match=r"result.nc cannot be read as netCDF .* it is damaged or another kind of file"):
        write_report(folder)
    (folder / "result.nc").write_bytes(tree_bytes(xr.DataTree.from_dict({"/a": xr.Dataset({"x": 1.0})})))
    with pytest.raises(FileFormatError, match="holds no comparison: the groups observations, predictions"):
        write_report(folder)
    with pytest.raises(FileFormatError, match="is not there"):
        write_report(tmp_path / "nowhere")
