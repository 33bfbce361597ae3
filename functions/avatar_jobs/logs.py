"""Writes one JSON line for each event to standard output, where the cloud's logging reads `severity` and the fields."""

import json
import sys
from typing import Any, TextIO

SEVERITIES = {"error": "ERROR", "alarm": "ERROR", "warning": "WARNING"}


class JsonLog:
    """The EventLog port on a text stream.

    function: the name of the function that writes; stream: None for standard output.
    """

    def __init__(self, function: str, stream: TextIO | None = None) -> None:
        self._function = function
        self._stream = stream

    def __call__(self, event: str, **fields: Any) -> None:
        """Writes one line. A field `level` of error, alarm or warning becomes the severity."""
        severity = SEVERITIES.get(str(fields.pop("level", "")), "INFO")
        line = {"severity": severity, "event": event, "function": self._function, **fields}
        stream = self._stream or sys.stdout
        stream.write(json.dumps(line, default=str) + "\n")
        stream.flush()
