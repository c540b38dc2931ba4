"""Damaged and foreign model files are told, never half read."""

from __future__ import annotations

import copy
import json
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import physode
from physode import systems
from physode.errors import FileFormatError
from physode.models import MODELS, get


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 6, 30))
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    physode.NeuralODE(hidden=(4,), max_iterations=5).fit(ds).save(path)
    return path


def _rewrite(source: Path, target: Path, change) -> None:
    with safe_open(source, framework="pt") as handle:
        about = json.loads(handle.metadata()["physode"])
        tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118
    change(about, tensors)
    save_file(tensors, target, metadata={"physode": json.dumps(about)})


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file(saved: Path, tmp_path: Path, share: float) -> None:
    whole = saved.read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(FileFormatError, match="cut.safetensors is not a whole model file"):
        physode.load(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="there is no model file"):
        physode.load(tmp_path / "none.safetensors")


def test_a_safetensors_file_of_somebody_else(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(FileFormatError, match="not a physode model"):
        physode.load(tmp_path / "other.safetensors")


def test_a_model_of_another_class(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    _rewrite(saved, path, lambda about, _: about.update(model="sonode"))
    with pytest.raises(FileFormatError, match="does not fit the class SecondOrderNeuralODE"):
        physode.load(path)


def test_a_model_of_a_class_that_does_not_exist(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    _rewrite(saved, path, lambda about, _: about.update(model="oracle"))
    with pytest.raises(FileFormatError, match="'oracle', which this version of physode does not know"):
        physode.load(path)


def test_a_missing_tensor_is_named(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "less.safetensors"
    _rewrite(saved, path, lambda _, tensors: tensors.pop("field.net.layers.0.weight"))
    with pytest.raises(FileFormatError, match=r"net\.layers\.0\.weight"):
        physode.load(path)


def test_a_file_from_before_digests_were_kept_is_read(saved: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.safetensors"
    _rewrite(saved, old, lambda about, tensors: tensors.pop("training.digests"))
    ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 6, 30))
    found, new = physode.load(old), physode.load(saved)
    np.testing.assert_array_equal(found.predict(ds)["x"], new.predict(ds)["x"])
    assert bool(new.seen(ds).all()) and not bool(found.seen(ds).any())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_fitted_model_can_be_copied_and_sent_to_a_process(name: str) -> None:
    time = np.linspace(0.0, 6.0, 40)
    model = get(name, hidden=(3,), max_iterations=2).fit(physode.from_numpy(time, np.cos(time)[:, None], ["x"]))
    z = np.full((1, len(model.states)), 0.3)
    expected = model.rhs(0.0, z)
    other = copy.deepcopy(model)
    np.testing.assert_array_equal(other.rhs(0.0, z), expected)
    with torch.no_grad():
        for parameter in other.module_.parameters():
            parameter.mul_(2.0)
    assert (other.rhs(0.0, z) != expected).any()
    assert len(ForkingPickler.dumps(model)) > 1000
    np.testing.assert_array_equal(model.rhs(0.0, z), expected)


def test_a_model_file_has_the_usual_permissions(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    assert saved.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_full_disk_is_told_and_nothing_is_left(saved: Path, tmp_path: Path, full_disk: None) -> None:
    model = physode.load(saved)
    with pytest.raises(OSError, match=r"No space left on device: .*model.safetensors"):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be written: there is no folder .*nowhere; make it first"):
        physode.load(saved).save(tmp_path / "nowhere" / "model.safetensors")


def test_a_file_with_the_units_that_were_once_written(tmp_path: Path) -> None:
    ds = physode.from_numpy(np.linspace(0, 6, 30), np.sin(np.linspace(0, 6, 30)), ["x"], units={"x": "m", "time": "s"})
    path, older = tmp_path / "model.safetensors", tmp_path / "older.safetensors"
    model = physode.SecondOrderNeuralODE(hidden=(2,), max_iterations=1).fit(ds)
    model.save(path)
    _rewrite(path, older, lambda about, _: about["layout"]["attrs"]["x_velocity"].update(units="m / (s)"))
    np.testing.assert_array_equal(physode.load(older).predict(ds)["x_velocity"], model.predict(ds)["x_velocity"])
