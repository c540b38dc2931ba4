"""Helpers that spawned processes import too must be found by a plain name: their parent's sys.path is all that they get."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
