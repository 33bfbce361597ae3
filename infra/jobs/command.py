"""Reads a command line, does what it asks for, writes the answer, and gives the exit code."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from avatar_jobs.bootstrap import common
from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.idempotency import TOKEN_FORM
from avatar_jobs.logs import JsonLog
from avatar_jobs.settings import Environment, SettingsError
from infra.jobs import views
from infra.jobs.arguments import MAX_CHANGED, parser
from infra.jobs.changing import Changer
from infra.jobs.reading import NotPossibleError, Reader
from infra.jobs.text import TEXTS
from infra.jobs.views import View

DONE, NOT_POSSIBLE, WRONG_CALL = 0, 1, 2
LOG_NAME = "operator"  # the `function` of our log lines


def run(arguments: Sequence[str]) -> int:
    """Does what a command line asks for, on this process's environment and terminal; returns the exit code."""
    asked = parser().parse_args(arguments)
    environment, log = Environment.of_process(), JsonLog(LOG_NAME, sys.stderr)
    try:
        view = _answer(asked, environment, _stores(environment, log), common.utc_now(), log)
    except SettingsError as error:
        return _refused(asked, str(error), WRONG_CALL)
    except (NotPossibleError, StorageUnavailableError) as error:
        return _refused(asked, str(error), NOT_POSSIBLE)
    sys.stdout.write((json.dumps(view, ensure_ascii=False) if asked.json else TEXTS[asked.command](view)) + "\n")
    return NOT_POSSIBLE if any(not change["done"] for change in view.get("changes", ())) else DONE


def _refused(asked: argparse.Namespace, reason: str, code: int) -> int:
    """The reason as the one JSON document, or as one sentence on standard error."""
    if asked.json:
        sys.stdout.write(json.dumps({"error": reason}) + "\n")
    else:
        sys.stderr.write(f"{reason}\n")
    return code


def _stores(environment: Environment, log: JsonLog) -> common.Stores:
    """The functions' store. Raises SettingsError, also for a file that is not there: it would be made, and be empty."""
    place = environment.store()
    environment.check()
    if place.sqlite_path is not None and not Path(place.sqlite_path).is_file():
        raise SettingsError(f"SQLITE_PATH names no file: {place.sqlite_path}")
    return common.open_stores(place, log)


def _answer(
    asked: argparse.Namespace, environment: Environment, stores: common.Stores, now: datetime, log: JsonLog
) -> View:
    reader = Reader(stores.jobs, now)
    match asked.command:
        case "show":
            return views.whole_job(reader.job(asked.id), now)
        case "timeline":
            return views.story(reader.job(asked.id))
        case "list":
            clients = _clients(asked, environment)
            return reader.listed(
                clients, status=asked.status, after=asked.after, before=asked.before, limit=asked.limit
            )
        case "find":
            return _found(asked, reader, _clients(asked, environment))
        case "overdue":
            return reader.overdue(asked.seconds, asked.limit)
        case "health":
            return reader.health(stores.tick_state)
        case _:
            return {"changes": _changes(asked, reader, Changer(stores.jobs, now, log))}


def _clients(asked: argparse.Namespace, environment: Environment) -> Sequence[str]:
    """The client that was named, else every one of the settings. Raises SettingsError."""
    if asked.client:
        return [asked.client]
    clients = sorted(environment.clients().api_keys)
    environment.check()
    return clients


def _found(asked: argparse.Namespace, reader: Reader, clients: Sequence[str]) -> View:
    wanted: str = asked.key or asked.request_id or ""
    if not TOKEN_FORM.fullmatch(wanted):
        raise NotPossibleError("No such key or request id can exist: 1 to 128 characters of A-Z a-z 0-9 . _ ~ -")
    if asked.key:
        return reader.of_key(clients, wanted)
    return reader.of_request(clients, wanted, asked.look_at)


def _changes(asked: argparse.Namespace, reader: Reader, changer: Changer) -> list[View]:
    """One line for each id, in order; one that is refused does not stop the next. Raises NotPossibleError."""
    if len(asked.ids) > MAX_CHANGED:
        raise NotPossibleError(f"{len(asked.ids)} jobs at once; at most {MAX_CHANGED}.")
    if not asked.yes and not _confirmed(asked):
        raise NotPossibleError("Nothing was changed; answer y, or say --yes where nobody can answer.")
    change = {"requeue": changer.requeue, "cancel": changer.cancel, "redeliver": changer.redeliver}[asked.command]
    lines: list[View] = []
    for job_id in asked.ids:
        try:
            lines.append({"id": job_id, "done": True, "detail": change(reader.job(job_id))})
        except (NotPossibleError, StorageUnavailableError) as error:
            lines.append({"id": job_id, "done": False, "detail": str(error)})
    return lines


def _confirmed(asked: argparse.Namespace) -> bool:
    """Asks on standard error, so that standard output stays the answer; no answer is a no."""
    sys.stderr.write(f"{asked.command} {' '.join(asked.ids)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
