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
    """Write the model, its training curve and its prediction of the record, each whole or not at all.

    The prediction, which can take longer than the fit, comes last: a fit is not lost with it.
    """
    history = pd.DataFrame(dict(model.result_.history)).to_csv(index=False).encode()
    folder.write({"training.csv": history, "model.safetensors": model_bytes(model)}, drop=["prediction.nc"])
    folder.write({"prediction.nc": record_bytes(model.predict(record))})
