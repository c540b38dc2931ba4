"""The time of a fit."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Clock"]


class Clock:
    """Ends a fit in the midst of its work, but not before it has got on: one that is taken up again and again then comes to its end.

    Parameters
    ----------
    check : callable
        Raises StopFit once the time is over.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self.check, self.kept = check, False

    def keep(self) -> None:
        """Take note that something was done that a fit which goes on need not do again."""
        self.kept = True

    def look(self) -> None:
        """End the fit if its time is over."""
        if self.kept:
            self.check()
