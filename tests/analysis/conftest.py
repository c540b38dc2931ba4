"""Make the stand-in dynamics importable from wherever pytest runs (import mode importlib changes no path)."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
