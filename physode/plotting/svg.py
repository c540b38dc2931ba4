"""Figures as SVG files that are the same, byte for byte, each time they are drawn."""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from physode.files import atomic_path

__all__ = ["save_svg", "svg_bytes"]


def svg_bytes(figure: Figure) -> bytes:
    """Draw a figure as SVG: text as paths, no date, and names of parts that do not change.

    Examples
    --------
    >>> svg_bytes(Figure()) == svg_bytes(Figure())
    True
    """
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "physode", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def save_svg(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure to an SVG file, completely or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to draw: ``ax.figure`` of what a ``plot_*`` function returned.
    path : path
        The file; it is replaced if it exists.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    ExistsError
        If `path` is a folder.
    """
    content = svg_bytes(figure)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)
