"""Simulation of SaladCloud that compares scaling rules; run as `python -m bench.scaling`, read in docs/scaling.md."""

import sys
from pathlib import Path

# `avatar_jobs` is no installed package: each function's zip carries it at its root, and here it lies under functions/.
FUNCTIONS = str(Path(__file__).resolve().parents[2] / "functions")
if FUNCTIONS not in sys.path:
    sys.path.append(FUNCTIONS)
