"""Runs the demo: `python -m infra.local.demo [--video V --audio A]`; V and A are files or http(s) URLs."""

import sys

from infra.local.demo.story import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
