"""Starts all parts of the rehearsal in order, prints the ready line, watches the processes, and ends them."""

import ctypes
import json
import os
import signal
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from infra.local import firestore_emulator
from infra.local.json_logs import log_event, send_library_logs_to_json
from infra.local.stack import environments
from infra.local.stack.children import Children, Readiness, StartError, StopRequested, answers, has_running_instance
from infra.local.stack.plan import Plan, choose_ports, draw_credentials, origin, ready_line
from infra.local.stack.salad_setup import SaladSetupError, set_up_salad
from infra.local.stack.scheduler import Scheduler, SchedulerApi
from infra.local.stack.settings import Settings, SettingsError, read_settings
from infra.tools.package import FUNCTIONS, ROOT, PackagingError, package_all

EXIT_FAILED, EXIT_BAD_SETTINGS = 1, 2
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
WATCH_SEC = 0.2  # pause between two checks that all processes live
# a signal to the whole process group may end a child shortly before our own handler runs
SIGNAL_RACE_SEC = 0.5
# Generous: on a cold, loaded machine four Python processes import Google's libraries at once.
SERVER_START_SEC = 60.0
INSTANCE_START_SEC = 60.0


def run(environment: Mapping[str, str]) -> int:
    """Runs the rehearsal until a signal. Returns the exit code: 0, 1 when it did not start or a part died, 2 for wrong
    settings."""
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
    plan = Plan(settings, draw_credentials(settings.clients), choose_ports(settings.port, settings.instances), state)
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
        if (lost := children.tend()) and not stopping.wait(SIGNAL_RACE_SEC):
            log_event("child_died", exit_codes=lost)
            return EXIT_FAILED
    return 0


def _obey_signals(stopping: threading.Event) -> None:
    """Lets SIGTERM and SIGINT end the rehearsal, and has the kernel send SIGTERM when our parent (make) dies."""

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


class System:
    """The parts of one rehearsal. environment: the launcher's own; children inherit its machine variables only."""

    def __init__(
        self, plan: Plan, environment: Mapping[str, str], children: Children, should_stop: Callable[[], bool]
    ) -> None:
        self._plan = plan
        self._own_environment = environment
        self._machine = environments.machine_environment(environment)
        self._children = children
        self._readiness = Readiness(children, should_stop)
        self._scheduler = Scheduler(origin(plan.ports.functions["scale_tick"][0]), plan.settings.tick_sec)
        self._scheduler_api = SchedulerApi(plan.ports.scheduler, self._scheduler)

    def start(self) -> None:
        """Starts all parts and returns when a job can be accepted. Raises StartError or StopRequested.

        Call it from the main thread: children die with the thread that started them.
        """
        try:
            packages = package_all(ROOT / "functions", self._plan.state / "packages")
            self._start_outside_world()
            webhook_secret = set_up_salad(self._plan)
        except (PackagingError, SaladSetupError, firestore_emulator.EmulatorError) as error:
            raise StartError(str(error)) from error
        for function, package in packages.items():
            self._start_function(function, package, webhook_secret)
        self._start_module("gateway", "infra.local.gateway", environments.gateway_environment(self._plan))
        self._wait_for_api()
        self._scheduler.start()
        self._scheduler_api.start()
        if self._plan.settings.replicas:
            self._readiness.wait("an instance", lambda: has_running_instance(self._plan.salad), INSTANCE_START_SEC)

    def stop(self) -> None:
        """Ends everything that was started."""
        self._scheduler.stop()
        self._scheduler_api.stop()
        self._children.stop()

    def _start_outside_world(self) -> None:
        """Starts the stand-ins for other companies' services: Salad, B2, the apps' media server, Firestore."""
        plan = self._plan
        if plan.settings.store == "firestore":
            # first, because it takes the longest to start
            command = firestore_emulator.arguments(
                firestore_emulator.find_command(self._own_environment), plan.ports.firestore
            )
            # it keeps everything in memory: started anew it would be an empty store
            self._children.start("firestore", command, self._machine, plan.state, starts_again=False)
        self._start_module("b2_sim", "infra.local.b2_sim", environments.b2_environment(plan))
        self._start_module("salad_sim", "infra.local.salad_sim", environments.salad_environment(plan))
        self._start_module("media", "infra.local.media_server", {"PORT": str(plan.ports.media)})
        self._wait_for("b2_sim", f"{plan.b2}/_sim/state")
        self._wait_for("salad_sim", f"{plan.salad}/_sim/state")
        self._wait_for("media", f"{plan.media}/face.mp4")
        if plan.settings.store == "firestore":
            self._readiness.wait(
                "firestore", lambda: firestore_emulator.is_warm(plan.ports.firestore), firestore_emulator.START_SEC
            )

    def _start_module(self, name: str, module: str, settings: Mapping[str, str]) -> None:
        self._children.start(name, [sys.executable, "-m", module], {**self._machine, **settings}, ROOT)

    def _start_function(self, function: str, package: Path, webhook_secret: str) -> None:
        """Starts a function's instances as the cloud does: from its unpacked zip, by functions-framework."""
        directory = self._plan.state / "functions" / function
        with zipfile.ZipFile(package) as archive:
            archive.extractall(directory)  # a zip that this process has just written
        framework = Path(sys.executable).with_name("functions-framework")
        settings = environments.function_environment(function, self._plan, webhook_secret)
        for number, port in enumerate(self._plan.ports.functions[function], 1):
            name = function if number == 1 else f"{function}-{number}"
            command = [str(framework), f"--target={function}", "--source=main.py", "--host=127.0.0.1", f"--port={port}"]
            self._children.start(
                name, command, {**self._machine, **environments.FRAMEWORK_VARIABLES, **settings}, directory
            )

    def _wait_for_api(self) -> None:
        for function in FUNCTIONS:
            for port in self._plan.ports.functions[function]:
                self._wait_for(function, f"{origin(port)}/")
        self._wait_for("gateway", f"{self._plan.api}/")

    def _wait_for(self, name: str, url: str) -> None:
        self._readiness.wait(name, lambda: answers(url), SERVER_START_SEC)
