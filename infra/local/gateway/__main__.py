"""Starts the gateway: `python -m infra.local.gateway`, settings from the environment (see settings.py)."""

import sys

from infra.local.gateway.server import run

if __name__ == "__main__":
    sys.exit(run())
