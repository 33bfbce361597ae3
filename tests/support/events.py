"""Reads log events from what a program wrote."""

import json
from typing import Any


def events(written: str, name: str | None = None, **fields: Any) -> list[dict[str, Any]]:
    """Returns the events of the text in their order: every line that is a JSON object with a field `event`.

    name: only events with this name; fields: only events with these values. A last line without its end is left out,
    for its program may still be writing it.
    """
    wanted = fields if name is None else {"event": name, **fields}
    found = []
    for line in written[: written.rfind("\n") + 1].splitlines():
        event = _parsed(line)
        if isinstance(event, dict) and "event" in event and wanted.items() <= event.items():
            found.append(event)
    return found


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None  # a traceback, or a line of a library
