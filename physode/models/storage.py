"""Saved models: tensors and one JSON string in a safetensors file, never pickle."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from physode.errors import FileFormatError
from physode.files import atomic_path
from physode.models.base import AbstractModel, is_available
from physode.models.dynamics import LearnedDynamics
from physode.models.first_weights import first_weights
from physode.models.layout import Layout
from physode.models.registry import MODELS
from physode.models.scaling import Scaling
from physode.solvers import get_solver
from physode.training.result import FitResult

__all__ = ["load", "model_bytes", "save"]

FORMAT = "physode-model/1"
_SCALING = ("mean", "scale", "input_mean", "input_scale")
_DYNAMICS = ("noise", "initial_precision", "latent_map", "reference")


def save(model: AbstractModel, path: str | os.PathLike[str]) -> None:
    """Write a fitted model.

    Parameters
    ----------
    model : AbstractModel
    path : path
        Written completely or not at all; a file of that name is replaced.

    Raises
    ------
    FileFormatError
        If there is no such folder.
    """
    if not Path(path).parent.is_dir():
        raise FileFormatError(f"{path} cannot be written: there is no folder {Path(path).parent}; make it first.")
    with atomic_path(path) as temporary:
        temporary.write_bytes(model_bytes(model))


def model_bytes(model: AbstractModel) -> bytes:
    """Give a fitted model as the bytes of its file."""
    dynamics = model._fitted()
    tensors: dict[str, Tensor] = {f"field.{name}": value.contiguous() for name, value in dynamics.field.state_dict().items()}
    if dynamics.start is not None:
        tensors |= {f"start.{name}": value.contiguous() for name, value in dynamics.start.state_dict().items()}
    tensors |= {f"scaling.{name}": torch.from_numpy(np.array(getattr(dynamics.scaling, name))) for name in _SCALING}
    tensors |= {f"dynamics.{name}": torch.from_numpy(np.ascontiguousarray(getattr(dynamics, name))) for name in _DYNAMICS}
    tensors["training.digests"] = torch.from_numpy(model._digests)
    about = {
        "format": FORMAT,
        "model": model.registry_name,
        "hyperparameters": model.get_params(),
        "layout": asdict(dynamics.layout),
        "time_scale": dynamics.scaling.time_scale,
        "max_step": dynamics.max_step,
        "result": asdict(model.result_),
    }
    return tensor_bytes(tensors, metadata={"physode": json.dumps(about)})


@torch.inference_mode(False)
def load(path: str | os.PathLike[str]) -> AbstractModel:
    """Read a model that `AbstractModel.save` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    AbstractModel
        Fitted; it gives the same predictions to the last bit. Where the device that it was fitted on is missing, it lies on the CPU.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, not a physode model, or does not fit the class that it names.

    Examples
    --------
    >>> import numpy as np, physode, tempfile
    >>> from physode import systems
    >>> ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 6, 30))
    >>> path = tempfile.mkdtemp() + "/model.safetensors"
    >>> physode.NeuralODE(hidden=(4,)).fit(ds).save(path)
    >>> physode.load(path).states
    ('x', 'v')
    """
    about, tensors = _read(Path(path))
    name = about["model"]
    if name not in MODELS:
        raise FileFormatError(f"{path} holds a model of the kind {name!r}, which this version of physode does not know; update physode.")
    try:
        hyperparameters = dict(about["hyperparameters"])
        device = hyperparameters.pop("device", "cpu")
        model = MODELS[name](**hyperparameters, device=device if is_available(device) else "cpu")
        layout = about["layout"]
        named = Layout(tuple(layout["states"]), tuple(layout["observed"]), tuple(layout["inputs"]), layout["attrs"], layout["time_units"])
        fresh, start, _ = first_weights(model, named, 0)
        field = fresh.to(**model._place)
        field.load_state_dict({key.removeprefix("field."): value for key, value in tensors.items() if key.startswith("field.")})
        if start is not None:
            start = start.to(**model._place)
            start.load_state_dict({key[6:]: value for key, value in tensors.items() if key.startswith("start.")})
        scaling = Scaling(time_scale=float(about["time_scale"]), **{part: tensors[f"scaling.{part}"].numpy() for part in _SCALING})
        rest = {part: tensors[f"dynamics.{part}"].numpy() for part in _DYNAMICS}
        solver = get_solver(model.solver, model.gradient)
        model.dynamics_ = LearnedDynamics(named, scaling, field, solver, float(about["max_step"]), **rest, start=start)
        model._result = FitResult(**about["result"])
        if "training.digests" in tensors:  # files from before they were kept are read too
            model._digests = tensors["training.digests"].numpy()
    except (KeyError, TypeError, RuntimeError) as error:
        kind = MODELS[name].__name__
        raise FileFormatError(f"{path} does not fit the class {kind} that it names: {error}. Save the model again.") from error
    return model


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise FileFormatError(f"there is no model file {path}; models are written by model.save or by 'physode fit'.")
    try:
        with safe_open(path, framework="pt") as handle:
            about = json.loads((handle.metadata() or {}).get("physode", "{}"))
            tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        message = f"{path} is not a whole model file ({error}); it is damaged or of another kind. Save the model again."
        raise FileFormatError(message) from error
    if about.get("format") != FORMAT:
        raise FileFormatError(f"{path} is a safetensors file, but not a physode model of the format {FORMAT}.")
    return about, tensors
