"""Settings that hold for every test."""

import os

# Before torch and matplotlib are imported, here and in subprocesses: the suite's tensors are too small for threads to pay.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis

hypothesis.settings.register_profile("physode", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("physode")
