"""Runs a soak: `make soak SEED=1 JOBS=1000 STORE=sqlite MINUTES=10`."""

import sys

from tests.soak.run import main

if __name__ == "__main__":
    sys.exit(main())
