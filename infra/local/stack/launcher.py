"""Starts the rehearsal in its order, says when it is ready, watches it, and ends it."""

import ctypes
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from infra.local.json_logs import log_event, send_library_logs_to_json
from infra.local.stack.children import Children
from infra.local.stack.credentials import draw_credentials
from infra.local.stack.plan import Plan
from infra.local.stack.ports import choose_ports
from infra.local.stack.readiness import StartError, StopRequested
from infra.local.stack.ready_line import ready_line
from infra.local.stack.settings import Settings, SettingsError, read_settings
from infra.local.stack.system import System

EXIT_FAILED, EXIT_BAD_SETTINGS = 1, 2
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
WATCH_SEC = 0.2  # how soon a death is noticed
# a signal to the whole process group may end a child a moment before our own handler has run
SIGNAL_RACE_SEC = 0.5


def run(environment: Mapping[str, str]) -> int:
    """Runs the rehearsal until a signal: 0 then, 1 when it could not start or a part died, 2 for wrong settings."""
    send_library_logs_to_json()
    try:
        settings = read_settings(environment)
    except SettingsError as error:
        log_event("settings_wrong", message=str(error), faults=str(error).splitlines())
        return EXIT_BAD_SETTINGS
    stopping = threading.Event()
    _obey_signals(stopping)
    with tempfile.TemporaryDirectory(prefix="avatar-rehearsal-") as state:
        return _run_in(Path(state), settings, environment, stopping)


def _run_in(state: Path, settings: Settings, environment: Mapping[str, str], stopping: threading.Event) -> int:
    plan = Plan(settings, draw_credentials(settings.clients), choose_ports(settings.port), state)
    children = Children()
    system = System(plan, environment, children, stopping.is_set)
    try:
        system.start()
        sys.stdout.write(json.dumps(ready_line(plan)) + "\n")
        sys.stdout.flush()
        return _watch(children, stopping)
    except StopRequested:
        return 0
    except StartError as error:
        log_event("start_failed", message=str(error))
        return EXIT_FAILED
    finally:
        system.stop()


def _watch(children: Children, stopping: threading.Event) -> int:
    while not stopping.wait(WATCH_SEC):
        if children.ended() and not stopping.wait(SIGNAL_RACE_SEC):
            log_event("child_died", exit_codes=children.ended())
            return EXIT_FAILED
    return 0


def _obey_signals(stopping: threading.Event) -> None:
    """Makes SIGTERM and SIGINT end the rehearsal, and the death of our parent (make) count as SIGTERM."""

    def stop(number: int, _frame: FrameType | None) -> None:
        log_event("stopping", signal=signal.Signals(number).name)
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")
    if os.getppid() != parent:  # it died before the signal was armed
        stopping.set()
