"""A simulation of SaladCloud that compares scaling rules: `python -m bench.scaling`. Results are in docs/scaling.md."""

import sys
from pathlib import Path

# `avatar_jobs` is not installed: each function's zip has it at its root, and here it is under functions/.
FUNCTIONS = str(Path(__file__).resolve().parents[2] / "functions")
if FUNCTIONS not in sys.path:
    sys.path.append(FUNCTIONS)
