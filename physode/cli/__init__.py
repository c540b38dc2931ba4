"""The program `physode`."""

from physode.cli import chaos, comparing, fitting, making, studies
from physode.cli.app import app

__all__ = ["app", "chaos", "comparing", "fitting", "making", "studies"]
