"""What to cite for a model or a system."""

from __future__ import annotations

import importlib.metadata
import re

from physode.errors import PhysodeError

__all__ = ["citation"]


def citation(model_or_system: object) -> str:
    """Give the BibTeX entries to cite for a model or a system.

    Parameters
    ----------
    model_or_system : object
        A system, a model, or a model class: anything with a ``reference`` (authors, year and title in words) and, where one
        exists, a ``doi``.

    Returns
    -------
    str
        Two entries, separated by an empty line: the work behind the model or system, then physode itself.

    Raises
    ------
    PhysodeError
        If the object names no reference.

    Examples
    --------
    >>> from physode import systems
    >>> print(citation(systems.get("lorenz")))
    @misc{lorenz...,
      note = {...},
      doi = {10.1175/...}
    }
    <BLANKLINE>
    @software{physode,
      author = {physode developers},
      title = {physode: the dynamics of physical systems from their time series},
      version = {...}
    }
    """
    reference = _text(model_or_system, "reference")
    if not reference:
        found = model_or_system.__name__ if isinstance(model_or_system, type) else type(model_or_system).__name__
        raise PhysodeError(f"{found} names no reference; pass a physode system, model or model class, or give your system a reference.")
    name = _text(model_or_system, "name") or _text(model_or_system, "registry_name") or "reference"
    fields = {"note": reference, "doi": _text(model_or_system, "doi")}
    own = {
        "author": "physode developers",
        "title": "physode: the dynamics of physical systems from their time series",
        "version": importlib.metadata.version("physode"),
    }
    return _entry("misc", _key(name, reference), fields) + "\n\n" + _entry("software", "physode", own)


def _text(holder: object, attribute: str) -> str:
    value = getattr(holder, attribute, None)
    return value.strip() if isinstance(value, str) else ""


def _key(name: str, reference: str) -> str:
    """Make a key of the name and the reference's first year."""
    year = re.search(r"\b(1[5-9]|20)\d\d\b", reference)
    return re.sub(r"[^A-Za-z0-9-]", "", name) + (year.group() if year else "")


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{_escape(value)}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"


def _escape(text: str) -> str:
    r"""Escape what BibTeX reads as markup, so that a reference with ``&`` or a lone brace stays one field."""
    return re.sub(r"([&%$#{}])", r"\\\1", text)
