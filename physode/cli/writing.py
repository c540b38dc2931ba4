"""What `physode fit` leaves in its folder."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from physode.comparison import ResultFolder
from physode.models.storage import model_bytes
from physode.trajectories.netcdf import record_bytes

__all__ = ["FILES", "write_fit"]

FILES = ("model.safetensors", "prediction.nc", "training.csv")


def write_fit(folder: ResultFolder, model: Any, record: xr.Dataset) -> None:
    """Write the model, its prediction of the record and its training curve, each whole or not at all."""
    history = pd.DataFrame(dict(model.result_.history))
    folder.write(
        {
            "training.csv": history.to_csv(index=False).encode(),
            "prediction.nc": record_bytes(model.predict(record)),
            "model.safetensors": model_bytes(model),
        }
    )
