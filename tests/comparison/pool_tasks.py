"""Tasks that worker processes can import."""

import os
import signal
import sys
import time
from pathlib import Path


def note(folder, name, notify):
    """Say which process worked, and how many threads its libraries are told to use."""
    notify({"loss": 1.0, "nfev": 1})
    (Path(folder) / name).write_text(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}")


def count_threads(folder, notify):
    """Say how many threads torch uses."""
    import torch

    (Path(folder) / "threads").write_text(str(torch.get_num_threads()))


def fail(notify):
    raise RuntimeError("bad luck")


def leave(notify):
    sys.exit(3)


def die(notify):
    os.kill(os.getpid(), signal.SIGKILL)


def wait_forever(folder, notify):
    (Path(folder) / "started").write_text(str(os.getpid()))
    time.sleep(600)


def end_by_interrupt(folder, notify):
    """Take Ctrl-C for one's own end, as a fit does, and leave what there is."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    (Path(folder) / "left").write_text("half a result")
