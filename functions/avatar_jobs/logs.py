"""One JSON line an event, on standard output, where the cloud's logging reads `severity` and the fields."""

import json
import sys
from typing import Any, TextIO

SEVERITIES = {"error": "ERROR", "alarm": "ERROR", "warning": "WARNING"}


class JsonLog:
    """Fills the EventLog port. function: which of the four writes; stream: where to."""

    def __init__(self, function: str, stream: TextIO | None = None) -> None:
        self._function = function
        self._stream = stream

    def __call__(self, event: str, **fields: Any) -> None:
        """Writes one line; a field `level` of error, alarm or warning becomes the severity."""
        severity = SEVERITIES.get(str(fields.pop("level", "")), "INFO")
        line = {"severity": severity, "event": event, "function": self._function, **fields}
        stream = self._stream or sys.stdout
        stream.write(json.dumps(line, default=str) + "\n")
        stream.flush()
