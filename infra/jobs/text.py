"""Views as text for a person at a terminal: aligned columns, blanks for what is not there. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from infra.jobs.views import View

JOB_COLUMNS = ("id", "client", "status", "phase", "attempt", "dispatch", "age_sec", "error", "webhook")
SHOWN_APART = ("attempts", "timers", "input", "output", "metrics", "error", "callback", "claimed_result")


def cell(value: Any) -> str:
    """One value in a table; control characters, which a hostile worker may send, cannot reach the terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={cell(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return " ".join(cell(inner) for inner in value)
    return "".join(character if character.isprintable() else "?" for character in str(value))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows under the columns' names; an empty sequence gives the names alone."""
    cells = [list(columns), *([cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(columns))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells)
    return "\n".join(lines)


def pairs(view: Mapping[str, Any]) -> str:
    """Names and values, one a line; what is null or empty is left out."""
    lines = {name: cell(value) for name, value in view.items() if value not in (None, "", [], {})}
    width = max(map(len, lines), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in lines.items())


def job_text(view: View) -> str:
    """`show`: the job's own fields, then its attempts, timers and the rest apart."""
    parts = [pairs({name: value for name, value in view.items() if name not in SHOWN_APART})]
    columns = (
        "number",
        "dispatch",
        "claimed_at",
        "tries",
        "salad_job_id",
        "runs",
        "last_report_at",
        "closed",
        "last_error",
    )
    parts.append("attempts\n" + table(view["attempts"], columns))
    for name in SHOWN_APART[1:]:
        if view.get(name):
            parts.append(f"{name}\n{pairs(view[name])}")
    return "\n\n".join(parts)


def story_text(view: View) -> str:
    """`timeline`."""
    head = f"{view['id']}  {view['client']}  {view['status']}"
    return f"{head}\n\n{table(view['timeline'], ('at', 'event', 'attempt', 'detail'))}"


def jobs_text(view: View) -> str:
    """`list` and `find`."""
    return table(view["jobs"], JOB_COLUMNS) if view["jobs"] else "no such job"


def overdue_text(view: View) -> str:
    """`overdue`."""
    if not view["jobs"]:
        return "nothing is overdue"
    return table(view["jobs"], ("id", "client", "status", "overdue_sec", "timers"))


def changes_text(view: View) -> str:
    """`requeue`, `cancel` and `redeliver`."""
    return table(view["changes"], ("id", "done", "detail"))


TEXTS = {
    "show": job_text,
    "timeline": story_text,
    "list": jobs_text,
    "find": jobs_text,
    "overdue": overdue_text,
    "health": pairs,
    "requeue": changes_text,
    "cancel": changes_text,
    "redeliver": changes_text,
}
