"""Puts this folder's helpers on the path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
