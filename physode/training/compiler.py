"""Torch's compiler, which torch's optimisers import when they are first used."""

from __future__ import annotations

import importlib
import signal
import threading

__all__ = ["import_compiler"]


def import_compiler() -> None:
    """Import torch's compiler whole: left half imported by Ctrl-C, it would spoil every later optimiser of the process.

    Raises
    ------
    KeyboardInterrupt
        After the import, if Ctrl-C came meanwhile.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):  # then Ctrl-C does not come here
        importlib.import_module("torch._dynamo")
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        importlib.import_module("torch._dynamo")
    finally:
        signal.signal(signal.SIGINT, handler)
    if came:
        signal.raise_signal(signal.SIGINT)
