"""Turns archived snapshots into rows, and rows into a table of text. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

HEADINGS = ("time (UTC)", "queue", "queued", "running", "oldest s", "need", "wanted", "have", "run", "usd", "why")


@dataclass(frozen=True)
class Row:
    """One tick. wanted, have, run: replicas planned, set and running of all scaled groups, None when unknown; usd: of
    the day so far; did: what was changed, failed or left alone."""

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
    """Reads the records of archived snapshots; what no tick of ours wrote is left out."""
    return [_row(record) for record in records if isinstance(record.get("at"), int | float)]


def table(rows: Sequence[Row], *, changes_only: bool) -> str:
    """The rows as text, a line a tick; changes_only: those in which something was done."""
    shown = [row for row in rows if row.did or not changes_only]
    cells = [HEADINGS, *(_cells(row) for row in shown)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join(line[: -widths[-1]] + cells[number][-1] for number, line in enumerate(lines))


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
    told = ", ".join(f"{name}: {one['reason']}" for name, one in (scaling.get("groups") or {}).items())
    return "; ".join(part for part in (str(scaling.get("reason")), told, _did(scaling)) if part)


def _did(scaling: Mapping[str, Any]) -> str:
    parts = [f"{name} -> {replicas}" for name, replicas in (scaling.get("changed") or {}).items()]
    parts += [f"{name} FAILED: {reason}" for name, reason in (scaling.get("failed") or {}).items()]
    parts += [f"{name} left alone: {reason}" for name, reason in (scaling.get("left_alone") or {}).items()]
    return ", ".join(parts)


def _cells(row: Row) -> tuple[str, ...]:
    figures = (row.queue, row.queued, row.running, row.oldest_wait_sec, row.need, row.wanted, row.have, row.run)
    shown = ["-" if figure is None else f"{figure:g}" for figure in figures]
    usd = "-" if row.usd is None else f"{row.usd:.2f}"
    return (row.at.strftime("%m-%d %H:%M:%S"), *shown, usd, row.why)
