"""Writes docs/state-table.md, or the file that the first argument names: `make state-table`."""

import sys
from pathlib import Path

from infra.tools.state_table.page import state_table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "state-table.md"

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(state_table(), encoding="utf-8")
