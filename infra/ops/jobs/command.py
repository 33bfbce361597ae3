"""Runs `./ops jobs ...`: reads the command line, does what it asks for, writes the answer."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime

from avatar_jobs.bootstrap import common
from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.logs import JsonLog
from avatar_jobs.protocol.requests import TOKEN_FORM
from avatar_jobs.settings import Environment, SettingsError
from infra.ops.jobs import views
from infra.ops.jobs.arguments import MAX_CHANGED, parser
from infra.ops.jobs.changing import Changer
from infra.ops.jobs.reading import NotPossibleError, Reader
from infra.ops.jobs.text import TEXTS
from infra.ops.jobs.views import View
from infra.ops.store import open_stores, operator_log
from infra.ops.terminal import DONE, NOT_POSSIBLE, WRONG_CALL, ask, is_yes, refuse


def run(arguments: Sequence[str]) -> int:
    """Does what a command line asks for, on this process's environment and terminal; returns the exit code."""
    asked = parser().parse(arguments)
    environment, log = Environment.of_process(), operator_log()
    try:
        view = _answer(asked, environment, open_stores(environment, log), common.utc_now(), log)
    except SettingsError as error:
        return refuse(str(error), WRONG_CALL, out=sys.stdout, err=sys.stderr, as_json=asked.json)
    except (NotPossibleError, StorageUnavailableError) as error:
        return refuse(str(error), NOT_POSSIBLE, out=sys.stdout, err=sys.stderr, as_json=asked.json)
    sys.stdout.write((json.dumps(view, ensure_ascii=False) if asked.json else TEXTS[asked.command](view)) + "\n")
    return NOT_POSSIBLE if any(not change["done"] for change in view.get("changes", ())) else DONE


def _answer(
    asked: argparse.Namespace, environment: Environment, stores: common.Stores, now: datetime, log: JsonLog
) -> View:
    """Returns the answer to the command. Raises SettingsError, NotPossibleError and StorageUnavailableError."""
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
        case "unreadable":
            return reader.unreadable(asked.limit)
        case "health":
            return reader.health(stores.tick_state)
        case _:
            return {"changes": _changes(asked, reader, Changer(stores.jobs, now, log))}


def _clients(asked: argparse.Namespace, environment: Environment) -> Sequence[str]:
    """Returns the client of --client, else every client in API_CLIENTS. Raises SettingsError."""
    if asked.client:
        return [asked.client]
    clients = sorted(environment.clients().api_keys)
    environment.check()
    return clients


def _found(asked: argparse.Namespace, reader: Reader, clients: Sequence[str]) -> View:
    wanted: str = asked.key or asked.request_id or ""
    if not TOKEN_FORM.fullmatch(wanted):
        raise NotPossibleError(
            "A key or request id has 1 to 128 characters of A-Z a-z 0-9 . _ ~ -; there is no such one."
        )
    if asked.key:
        return reader.of_key(clients, wanted)
    return reader.of_request(clients, wanted, asked.look_at)


def _changes(asked: argparse.Namespace, reader: Reader, changer: Changer) -> list[View]:
    """Returns one line for each id, in order; a refused one does not stop the next. Raises NotPossibleError."""
    if len(asked.ids) > MAX_CHANGED:
        raise NotPossibleError(f"{len(asked.ids)} jobs are too many for one call; pass at most {MAX_CHANGED}.")
    question = f"{asked.command} {' '.join(asked.ids)}? [y/N] "
    if not asked.yes and not is_yes(ask(question, answers=sys.stdin, err=sys.stderr)):
        raise NotPossibleError("Nothing was changed. Answer y, or pass --yes.")
    change = {"requeue": changer.requeue, "cancel": changer.cancel, "redeliver": changer.redeliver}[asked.command]
    lines: list[View] = []
    for job_id in asked.ids:
        try:
            lines.append({"id": job_id, "done": True, "detail": change(reader.job(job_id))})
        except (NotPossibleError, StorageUnavailableError) as error:
            lines.append({"id": job_id, "done": False, "detail": str(error)})
    return lines
