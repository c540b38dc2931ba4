"""What is known of several members of a fit, of which some can be taken and replaced."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Self

from torch import Tensor

__all__ = ["PerMember"]


class PerMember:
    """A base of dataclasses whose fields are tensors with a leading dimension of members, others of this kind, or None."""

    def take(self, which: Tensor) -> Self:
        """Keep some members, given by a mask."""
        return self if bool(which.all()) else type(self)(*(_take(part, which) for part in self._parts))

    def put(self, which: Tensor, others: Self) -> Self:
        """Replace some members; what was here before is used up."""
        if bool(which.all()):
            return others
        return type(self)(*(_put(part, which, other) for part, other in zip(self._parts, others._parts, strict=True)))

    @property
    def _parts(self) -> list[Any]:
        return [getattr(self, part.name) for part in fields(self)]  # type: ignore[arg-type]


def _take(part: Any, which: Tensor) -> Any:
    if isinstance(part, PerMember):
        return part.take(which)
    return None if part is None else part[which]


def _put(part: Any, which: Tensor, other: Any) -> Any:
    if isinstance(part, PerMember):
        return part.put(which, other)
    if part is not None:
        part[which] = other
    return part
