"""Writes docs/state-table.md afresh, or to the path that is given."""

import sys
from pathlib import Path

# The package of the functions is not installed: in the cloud each zip carries it, here it lies in functions/.
sys.path.insert(0, str(Path(__file__).parents[3] / "functions"))

from infra.docs.state_table.page import state_table

PAGE = Path(__file__).parents[3] / "docs" / "state-table.md"

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(state_table(), encoding="utf-8")
