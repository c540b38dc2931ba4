"""Puts this folder's fields with known solutions on the path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
