"""Starts the rehearsal: `python -m infra.local.stack`, settings from the environment (see settings.py)."""

import os
import sys

from infra.local.stack.launcher import run

if __name__ == "__main__":
    sys.exit(run(os.environ))
