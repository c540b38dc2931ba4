"""What `physode fit` leaves in its folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from physode import trajectories
from physode.comparison import ResultFolder

__all__ = ["FILES", "write_fit"]

FILES = ("model.safetensors", "prediction.nc", "training.csv")


def write_fit(folder: ResultFolder, model: Any, record: xr.Dataset) -> None:
    """Write the model, its prediction of the record and its training curve, each whole or not at all."""
    with tempfile.TemporaryDirectory() as scratch:
        model.save(Path(scratch) / "model.safetensors")
        trajectories.write(model.predict(record), Path(scratch) / "prediction.nc")
        names = ("prediction.nc", "model.safetensors")
        contents = {name: (Path(scratch) / name).read_bytes() for name in names}
    history = pd.DataFrame(dict(model.result_.history))
    folder.write({"training.csv": history.to_csv(index=False).encode(), **contents})
