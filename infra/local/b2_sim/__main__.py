"""Starts the simulator: `python -m infra.local.b2_sim`, settings from the environment (see settings.py)."""

import sys

from infra.local.b2_sim.server import run

if __name__ == "__main__":
    sys.exit(run())
