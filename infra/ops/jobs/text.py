"""Writes the views of `./ops jobs` as text for a terminal. Pure."""

from infra.ops.jobs.views import View
from infra.ops.terminal import pairs, table

JOB_COLUMNS = ("id", "client", "status", "phase", "attempt", "dispatch", "age_sec", "error", "webhook")
SHOWN_APART = ("attempts", "timers", "input", "output", "metrics", "error", "callback", "claimed_result")


def job_text(view: View) -> str:
    """Returns the text of `show`: the job's own fields, then its attempts, timers and other groups of fields."""
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
    """Returns the text of `timeline`."""
    head = f"{view['id']}  {view['client']}  {view['status']}"
    return f"{head}\n\n{table(view['timeline'], ('at', 'event', 'attempt', 'detail'))}"


def jobs_text(view: View) -> str:
    """Returns the text of `list` and `find`."""
    return table(view["jobs"], JOB_COLUMNS) if view["jobs"] else "no such job"


def overdue_text(view: View) -> str:
    """Returns the text of `overdue`."""
    if not view["jobs"]:
        return "nothing is overdue"
    return table(view["jobs"], ("id", "client", "status", "overdue_sec", "timers"))


def unreadable_text(view: View) -> str:
    """Returns the text of `unreadable`."""
    if not view["jobs"]:
        return "every record that was put aside can be read"
    return table(view["jobs"], ("id", "client", "status", "put_aside_at", "times", "next_try_at", "reason"))


def changes_text(view: View) -> str:
    """Returns the text of `requeue`, `cancel` and `redeliver`."""
    return table(view["changes"], ("id", "done", "detail"))


TEXTS = {
    "show": job_text,
    "timeline": story_text,
    "list": jobs_text,
    "find": jobs_text,
    "overdue": overdue_text,
    "unreadable": unreadable_text,
    "health": pairs,
    "requeue": changes_text,
    "cancel": changes_text,
    "redeliver": changes_text,
}
