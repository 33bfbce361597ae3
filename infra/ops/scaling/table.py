"""Turns archived snapshots into rows, and rows into a table of text. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.ops.terminal import aligned, cell, dollars

HEADINGS = ("time (UTC)", "queue", "queued", "running", "oldest s", "need", "wanted", "have", "run", "usd", "why")


@dataclass(frozen=True)
class Row:
    """One tick; None stands for what is unknown.

    wanted, have, run: replicas of all scaled groups as planned, as set at Salad, and running; usd: dollars of the day
    so far; did: what was changed, failed or left alone.
    """

    at: datetime
    queue: int | None
    queued: int | None
    running: int | None
    oldest_wait_sec: float | None
    need: float | None
    wanted: int | None
    have: int | None
    run: int | None
    usd: float | None
    why: str
    did: str


def rows_of(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Returns a row for each archived snapshot; records without a time are left out."""
    return [_row(record) for record in records if isinstance(record.get("at"), int | float)]


def table(rows: Sequence[Row], *, changes_only: bool) -> str:
    """Returns the rows as text, one line a tick; changes_only: only ticks that did something or failed to."""
    shown = [row for row in rows if row.did or not changes_only]
    return aligned([HEADINGS, *(_cells(row) for row in shown)], to_the_right=True)


def _row(record: Mapping[str, Any]) -> Row:
    scaling = record.get("scaling") or {}
    planned: Mapping[str, Any] = scaling.get("groups") or {}
    groups: Mapping[str, Any] = record.get("groups") or {}
    scaled = [groups[name] for name in planned if name in groups]
    return Row(
        at=datetime.fromtimestamp(record["at"], UTC),
        queue=record.get("queue_length"),
        queued=record.get("queued_jobs"),
        running=record.get("running_jobs"),
        oldest_wait_sec=record.get("oldest_wait_sec"),
        need=scaling.get("need"),
        wanted=sum(one["target"] for one in planned.values()) if planned else None,
        have=sum(one["replicas"] for one in scaled) if scaled else None,
        run=sum(one.get("running") or 0 for one in scaled) if scaled else None,
        usd=record.get("spend_usd"),
        why=_why(scaling),
        did=_did(scaling),
    )


def _why(scaling: Mapping[str, Any]) -> str:
    if not scaling:
        return "nothing is scaled"
    reasons = ", ".join(f"{name}: {one['reason']}" for name, one in (scaling.get("groups") or {}).items())
    return "; ".join(part for part in (str(scaling.get("reason")), reasons, _did(scaling)) if part)


def _did(scaling: Mapping[str, Any]) -> str:
    parts = [f"{name} -> {replicas}" for name, replicas in (scaling.get("changed") or {}).items()]
    parts += [f"{name} FAILED: {reason}" for name, reason in (scaling.get("failed") or {}).items()]
    parts += [f"{name} left alone: {reason}" for name, reason in (scaling.get("left_alone") or {}).items()]
    return ", ".join(parts)


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (row.queue, row.queued, row.running, row.oldest_wait_sec, row.need, row.wanted, row.have, row.run)
    shown = ["-" if number is None else f"{number:g}" for number in numbers]
    usd = "-" if row.usd is None else dollars(row.usd, most_digits=2)
    return (row.at.strftime("%m-%d %H:%M:%S"), *shown, usd, cell(row.why))
