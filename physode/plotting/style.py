"""One restrained style for all figures: readable without colour, with units, and with no global setting touched."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator

from physode.errors import DataError

__all__ = [
    "DATA_COLOUR",
    "FORECAST_COLOUR",
    "STYLES",
    "TRUTH_COLOUR",
    "Style",
    "axes_label",
    "clean",
    "finish",
    "first_fit",
    "members",
    "new_axes",
    "one",
]

_LONGEST: Final = 60  # characters of a name in a figure
_CHARACTER: Final = 0.5  # width of one in a sentence, over the size of the font


@dataclass(frozen=True)
class Style:
    """A colour that is never alone: each member of a figure differs in line style and marker too."""

    colour: str
    line: str | tuple[int, tuple[int, ...]]
    marker: str


STYLES: Final = (
    Style("#0072B2", "-", "o"),
    Style("#D55E00", "--", "s"),
    Style("#009E73", "-.", "^"),
    Style("#CC79A7", (0, (1, 1)), "D"),
    Style("#E69F00", (0, (5, 1, 1, 1, 1, 1)), "v"),
    Style("#56B4E9", (0, (8, 2)), "P"),
)
"""Okabe and Ito's colours (doi:10.1038/nmeth.1618), those that stand out from white first."""

TRUTH_COLOUR: Final = "#000000"
DATA_COLOUR: Final = "#595959"
FORECAST_COLOUR: Final = "#E8E8E8"


def clean(text: object) -> str:
    r"""Make a name fit for a figure: `$` starts no formula, nothing unprintable, not too long.

    Examples
    --------
    >>> clean("cost $")
    'cost \\$'
    """
    plain = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(text))
    if len(plain) > _LONGEST:
        plain = f"{plain[: _LONGEST - 1]}…"
    return plain.replace("$", r"\$")


def axes_label(variable: xr.DataArray, name: str | None = None) -> str:
    """Label an axis by long name and units.

    Examples
    --------
    >>> axes_label(xr.DataArray(0.0, attrs={"long_name": "angle", "units": "rad"}))
    'angle (rad)'
    """
    text = clean(name or variable.attrs.get("long_name", variable.name))
    units = str(variable.attrs.get("units", ""))
    return f"{text} ({clean(units)})" if units not in ("", "1") else text


def new_axes(ax: Axes | None) -> Axes:
    """Give the axes to draw on: those given, or new ones on a figure that pyplot does not know."""
    if ax is not None:
        return ax
    return Figure(figsize=(7.2, 3.6), layout="constrained").add_subplot()


def finish(ax: Axes, *, x: str, y: str, title: str, fewest: int = 2) -> Axes:
    """Write labels, title and legend, of at least `fewest` entries, in sizes that can be read and lines that fit."""
    box, point = ax.get_window_extent(), ax.figure.dpi / 72
    ax.set_xlabel(_wrap(x, box.width / point, 10), fontsize=10)
    ax.set_ylabel(_wrap(y, box.height / point, 10), fontsize=10)
    ax.set_title(_wrap(title, box.width / point, 11), fontsize=11)
    ax.tick_params(labelsize=9)
    if isinstance(locator := ax.xaxis.get_major_locator(), AutoLocator):
        locator.set_params(steps=[1, 2, 5, 10])  # and not 2.5: years would have fractions
    ax.spines[["top", "right"]].set_visible(False)
    if len(ax.get_legend_handles_labels()[1]) >= fewest:
        ax.legend(fontsize=9, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))  # beside the data, never over them
    return ax


def _wrap(text: str, length: float, size: int) -> str:
    """Break a clean text into lines of about this length in points, at blanks where it has any and never within an escaped `$`."""
    broken = textwrap.wrap(text.replace(r"\$", "\0"), max(10, int(length / (_CHARACTER * size))))
    return "\n".join(broken).replace("\0", r"\$")


def members(data: xr.Dataset) -> Iterator[tuple[str, Style, xr.Dataset]]:
    """Go through the models of a data set, each with its label and style; one without label if there is no such dimension."""
    if "model" not in data.dims:
        yield "", STYLES[0], data
        return
    for i, name in enumerate(data["model"].values.tolist()):
        yield clean(name), STYLES[i % len(STYLES)], data.isel(model=i)


def first_fit(data: xr.Dataset) -> tuple[xr.Dataset, str]:
    """Take the first of several models and seeds, and say whose data these are, for a title: " of lorenz", "" if nobody knows.

    Numbers and texts that are attributes where one was analysed, and variables where several were, are attributes of what is returned.
    """
    chosen = one(one(data, "model"), "seed")
    single = {str(name): variable.item() for name, variable in chosen.data_vars.items() if not variable.dims}
    attrs = single | dict(chosen.attrs)
    name = data["model"].values[0] if "model" in data.dims else attrs.get("dynamics", "")
    return chosen.assign_attrs(attrs), f" of {clean(name)}" if str(name) else ""


def one(data: Any, dim: str, label: object = None) -> Any:
    """Select one member along a dimension, the first by default; data without that dimension stay as they are.

    Raises
    ------
    DataError
        If there is no such label.
    """
    if dim not in data.dims:
        return data
    if label is None:
        return data.isel({dim: 0})
    labels = data[dim].values
    if not (found := np.flatnonzero(labels == label)).size:
        raise DataError(f"there is no {dim} {label!r}; choose from {', '.join(map(str, labels[:10]))}.")
    return data.isel({dim: int(found[0])})
