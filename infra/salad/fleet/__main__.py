"""Runs `python -m infra.salad.fleet` on this process's environment and terminal."""

import sys
from pathlib import Path

# The package of the functions is not installed: in the cloud each zip carries it, here it lies in functions/.
sys.path.insert(0, str(Path(__file__).parents[3] / "functions"))

from infra.salad.fleet.command import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
