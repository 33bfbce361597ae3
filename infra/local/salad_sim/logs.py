"""Writes one JSON log line an event on standard error."""

import json
import sys
from typing import Any


def log(event: str, **fields: Any) -> None:
    """Writes {"event": event, ...fields}; fields must be JSON values and never secrets."""
    sys.stderr.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stderr.flush()
