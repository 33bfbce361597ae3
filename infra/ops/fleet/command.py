"""Runs `./ops fleet ...`: reads the command line, the file and Salad, does what is asked, writes the answer."""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from avatar_jobs.adapters.salad_client.transport import SaladTransport
from infra.ops.fleet import applying, destroying
from infra.ops.fleet.arguments import parser
from infra.ops.fleet.desired import desired_fleet
from infra.ops.fleet.file_model import FleetFile
from infra.ops.fleet.model import LiveState, Plan
from infra.ops.fleet.parsing import FleetFileError, parse
from infra.ops.fleet.planning import make_plan
from infra.ops.fleet.references import Secrets, resolve, scrubber
from infra.ops.fleet.salad import Retrying, Salad, SaladError, Transport
from infra.ops.fleet.settings import Settings, SettingsError, read_settings
from infra.ops.fleet.text import plan_text, status_text
from infra.ops.fleet.views import View, plan_view, status_view
from infra.ops.terminal import DONE, NOT_POSSIBLE, SOMETHING_TO_DO, WRONG_CALL, ask, is_yes, refuse

TIMEOUT_SEC = 30.0  # of one call: one answer holds all groups of a project, which takes Salad some time


def _transport(settings: Settings) -> SaladTransport:
    return SaladTransport(api_key=settings.api_key, now=lambda: datetime.now(UTC), timeout_sec=TIMEOUT_SEC)


@dataclass(frozen=True)
class Surroundings:
    """The process that the command runs in: its environment, streams, pauses and Salad. Tests pass their own."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    answers: TextIO = field(default_factory=lambda: sys.stdin)
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    pause: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    transport: Callable[[Settings], Transport] = _transport


def run(arguments: Sequence[str], around: Surroundings | None = None) -> int:
    """Does what a command line asks for; returns the exit code."""
    asked = parser().parse(arguments)
    around = around or Surroundings()
    try:
        settings = read_settings(around.environment)
        file = parse(_text_of(asked.file))
    except SettingsError as error:
        return _refuse(asked, around, str(error), WRONG_CALL)
    except FleetFileError as error:
        return _refuse(asked, around, _of_file(asked.file, error), WRONG_CALL)
    secrets = resolve(file, around.environment, lambda path: Path(path).read_text("utf-8"))
    scrub = scrubber(secrets.values, settings.api_key)
    try:
        return _Run(asked, around, file, secrets, settings, scrub).code()
    except FleetFileError as error:
        return _refuse(asked, around, scrub(_of_file(asked.file, error)), WRONG_CALL)
    except SaladError as error:
        return _refuse(asked, around, scrub(str(error)), NOT_POSSIBLE)
    except KeyboardInterrupt:
        return _refuse(asked, around, "Interrupted. Run it again: it does what is left.", NOT_POSSIBLE)


class _Run:
    """One run of one command, with a valid file and valid settings."""

    def __init__(
        self,
        asked: argparse.Namespace,
        around: Surroundings,
        file: FleetFile,
        secrets: Secrets,
        settings: Settings,
        scrub: Callable[[str], str],
    ) -> None:
        self._asked = asked
        self._around = around
        self._file = file
        self._secrets = secrets
        self._scrub = scrub
        self._salad = Salad(
            around.transport(settings),
            Retrying(around.pause, around.jitter, self._warn),
            base_url=settings.url,
            organization=file.organization,
            project=file.project,
        )

    def code(self) -> int:
        """Does the command and returns its exit code. Raises FleetFileError and SaladError."""
        if self._asked.command in ("plan", "apply") and self._secrets.faults:
            raise FleetFileError(self._secrets.faults)
        state = self._salad.read_state(self._file.queue.name)
        match self._asked.command:
            case "plan":
                return self._plan(state)
            case "apply":
                return self._apply(state)
            case "destroy":
                return self._destroy(state)
            case _:
                return self._status(state)

    def _plan(self, state: LiveState) -> int:
        plan = self._planned(state)
        self._answer(plan_view(plan, state), plan_text)
        if self._reason_against(plan):
            return NOT_POSSIBLE
        return SOMETHING_TO_DO if self._asked.detailed_exitcode and not plan.is_empty else DONE

    def _apply(self, state: LiveState) -> int:
        plan = self._planned(state)
        self._write(plan_text(plan_view(plan, state)))
        reason = self._reason_against(plan)
        if reason:
            raise SaladError(f"Nothing was changed: {reason}")
        if plan.is_empty:
            return DONE
        if not self._asked.yes and not is_yes(self._reply("Apply? [y/N] ")):
            raise SaladError("Nothing was changed. Answer y, or pass --yes.")
        applying.carry_out(plan, self._salad, self._write, self._around.pause)
        return DONE

    def _destroy(self, state: LiveState) -> int:
        name = self._asked.group
        removal = destroying.one_group(name, self._file, state) if name else destroying.whole_fleet(self._file, state)
        if not removal.groups and removal.queue is None:
            self._write("nothing to destroy")
            return DONE
        if not self._asked.force:
            destroying.refuse_open_jobs(removal, self._salad)
        for group in removal.groups:
            self._write(f"- group {group.name}: {group.status}, instances: {group.instances}")
        if removal.queue is not None:
            self._write(
                f"- queue {removal.queue.name}: waiting jobs: {removal.queue.length}; its history is removed too"
            )
        wanted = name or self._file.project
        if not self._asked.yes and self._reply(f"Type {wanted} to destroy this: ") != wanted:
            raise SaladError(f"Nothing was destroyed. Type {wanted}, or pass --yes.")
        destroying.carry_out(removal, self._salad, self._write, self._around.pause)
        return DONE

    def _status(self, state: LiveState) -> int:
        self._answer(status_view(self._planned(state), state, len(self._secrets.faults)), status_text)
        return DONE

    def _planned(self, state: LiveState) -> Plan:
        fleet = desired_fleet(self._file, self._secrets.values, state.gpu_classes)
        return make_plan(fleet, state, send_credentials=getattr(self._asked, "send_credentials", False))

    def _reason_against(self, plan: Plan) -> str:
        return "; ".join(plan.reasons_against(accept_drift=self._asked.accept_drift))

    def _answer(self, view: View, text: Callable[[View], str]) -> None:
        self._write(json.dumps(view, ensure_ascii=False) if self._asked.json else text(view))

    def _write(self, text: str) -> None:
        self._around.out.write(self._scrub(text) + "\n")
        self._around.out.flush()

    def _warn(self, text: str) -> None:
        self._around.err.write(self._scrub(text) + "\n")

    def _reply(self, question: str) -> str:
        return ask(question, answers=self._around.answers, err=self._around.err)


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise FleetFileError([f"cannot be read ({type(error).__name__})"]) from error


def _of_file(path: Path, error: FleetFileError) -> str:
    return "\n".join(f"{path.name}: {fault}" for fault in error.faults)


def _refuse(asked: argparse.Namespace, around: Surroundings, reason: str, code: int) -> int:
    return refuse(reason, code, out=around.out, err=around.err, as_json=getattr(asked, "json", False))
