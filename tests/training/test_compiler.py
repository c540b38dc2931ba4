"""Ctrl-C does not tear the import of torch's compiler."""

from __future__ import annotations

import importlib
import signal
import threading

import pytest

from physode.training.compiler import import_compiler


@pytest.mark.parametrize("interrupted", [True, False])
def test_ctrl_c_waits_for_the_end_of_the_import(monkeypatch: pytest.MonkeyPatch, interrupted: bool) -> None:
    imported = []

    def slowly(name: str) -> None:
        if interrupted:
            signal.raise_signal(signal.SIGINT)
        imported.append(name)

    monkeypatch.setattr(importlib, "import_module", slowly)
    before = signal.getsignal(signal.SIGINT)
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            import_compiler()
    else:
        import_compiler()
    assert imported == ["torch._dynamo"] and signal.getsignal(signal.SIGINT) is before


def test_a_thread_imports_it_too() -> None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            import_compiler()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not raised
