"""Starts the worker: `python -m gpu_worker`, settings from the environment (see settings.py)."""

import sys

from gpu_worker.bootstrap.main import main
from gpu_worker.settings import process_environment

if __name__ == "__main__":
    sys.exit(main(process_environment()))
