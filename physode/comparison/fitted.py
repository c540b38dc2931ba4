"""The fitted models of a finished comparison, read from its folder."""

from __future__ import annotations

import os

from physode.comparison.cell import MODEL_FILE
from physode.comparison.files import open_result
from physode.comparison.folder import ResultFolder
from physode.comparison.status import FAILED
from physode.models import load
from physode.models.base import AbstractModel

__all__ = ["fitted_models"]


def fitted_models(directory: str | os.PathLike[str]) -> dict[tuple[str, int], AbstractModel]:
    """Load the models that a comparison fitted.

    Parameters
    ----------
    directory : path
        The folder that `physode.compare` was given.

    Returns
    -------
    dict of (str, int) to model
        By name and seed; fits that failed are absent. Every analysis takes it in place of a model.

    Raises
    ------
    FileFormatError
        If the folder holds no comparison, or a model's file is missing or damaged.

    Examples
    --------
    >>> import tempfile, numpy as np, physode
    >>> from physode import systems
    >>> ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 6, 40), n_trajectories=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = physode.NeuralODE(hidden=(4,), max_iterations=5)
    ...     _ = physode.compare({"small": model}, ds, seeds=1, directory=folder, workers=1, progress=False)
    ...     models = fitted_models(folder)
    >>> physode.energy_drift(models, ds, energy=systems.get("harmonic-oscillator").energy).max_drift.dims
    ('model', 'seed', 'trajectory')
    """
    facts = open_result(directory).models.to_dataset().stack(fit=("model", "seed"))
    cells = ResultFolder(directory, force=True).cells
    rows = zip(facts["fit"].values, facts["cell"].values, facts["status"].values, strict=True)
    return {(str(model), int(seed)): load(cells / str(cell) / MODEL_FILE) for (model, seed), cell, status in rows if status not in FAILED}
