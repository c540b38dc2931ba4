"""Fit the dynamics of physical systems to time series, and say how far the fit can be trusted.

Nothing is loaded until it is named: ``import physode`` takes well under a second and pulls in no torch.
The public names and where they live are in ``__init__.pyi``.
"""

import importlib.metadata

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = importlib.metadata.version("physode")

del importlib, lazy_loader
