"""Starts, watches and ends the containers, as the fleet's plan requires, in one thread."""

import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from infra.local.json_logs import log_event
from infra.local.ports import reserved_port
from infra.local.salad_sim import fleet_actions, imds, queue_actions
from infra.local.salad_sim.containers import Container
from infra.local.salad_sim.fleet import Instance, InstanceState
from infra.local.salad_sim.settings import Settings
from infra.local.salad_sim.world import World

POLL_SEC = 0.05  # how late the end of a process may be noticed; a poll takes microseconds


class Supervisor:
    """The owner of all containers. The kernel kills the processes when its thread ends, so the thread must not end."""

    def __init__(self, world: World, settings: Settings, origin: str, grpc_endpoint: str) -> None:
        """origin: the simulator's base URL; grpc_endpoint: host:port of the job queue's service."""
        self._world = world
        self._settings = settings
        self._origin = origin
        self._grpc_endpoint = grpc_endpoint
        self._containers: dict[str, Container] = {}
        self._disks_dir = _emptied(settings.state_dir / "disks") if settings.state_dir else None
        self._disks: dict[str, Path] = {}  # instance id -> folder that is its container's file system
        self._terminated_at: dict[str, float] = {}  # instance id -> monotonic seconds of its SIGTERM
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def join(self) -> None:
        """Waits until every container has ended. Set the world's is_closing before."""
        self._thread.join()

    def _run(self) -> None:
        while not self._world.is_closing:
            self._step()
            with self._world.changed:
                if not self._world.is_closing:
                    self._world.changed.wait(POLL_SEC)
        self._end_all()

    def _step(self) -> None:
        fleet_actions.reconcile(self._world, self._settings.start_delay_sec)
        fleet_actions.allocate(self._world, self._settings.nodes, self._settings.start_delay_sec)
        for job_id in queue_actions.fail_abandoned(self._world, self._settings.stream_grace_sec):
            log_event("salad_sim_job_abandoned", job_id=job_id)
        with self._world.changed:
            instances = list(self._world.instances.values())
        for instance in instances:
            self._tend(instance)

    def _tend(self, instance: Instance) -> None:
        """Starts, finishes or stops an instance if its state requires it."""
        container = self._containers.get(instance.id)
        if instance.state is InstanceState.CREATING and instance.due <= self._world.clock.monotonic():
            self._start(instance)
        elif instance.state is InstanceState.RUNNING and container is not None and container.is_broken():
            self._finish(instance)
        elif instance.state is InstanceState.STOPPING:
            self._stop(instance)

    def _start(self, instance: Instance) -> None:
        port = reserved_port()
        with self._world.changed:
            group = self._world.groups.get(instance.group_name)
            body = group.body if group is not None else {}
        disk = self._disks[instance.id] = Path(tempfile.mkdtemp(prefix="salad-sim-", dir=self._disks_dir))
        own = _environment(self._settings, body, port, imds.metadata_uri(self._origin, instance.id))
        own |= {"TMPDIR": str(disk)}  # removed when the container ends
        queue_worker_own = own | _queue_worker_environment(self._settings, self._grpc_endpoint)
        commands = (self._settings.worker_command, self._settings.queue_worker_command)
        try:
            container = Container(*commands, own, queue_worker_own)
        except OSError as error:
            log_event("salad_sim_instance_not_started", instance_id=instance.id, detail=str(error))
            self._finish(instance)
            return
        self._containers[instance.id] = container
        fleet_actions.started(self._world, instance.id, port, container.pid)
        log_event("salad_sim_instance_running", instance_id=instance.id, group=instance.group_name, pid=container.pid)
        probe = body.get("readiness_probe")
        if probe is not None:
            container.probe(probe, port, lambda ready: fleet_actions.set_ready(self._world, instance.id, ready=ready))

    def _stop(self, instance: Instance) -> None:
        container = self._containers.get(instance.id)
        now = self._world.clock.monotonic()
        if container is None or container.has_ended():
            self._finish(instance)
        elif instance.id not in self._terminated_at:
            container.terminate()
            self._terminated_at[instance.id] = now
        elif now - self._terminated_at[instance.id] >= self._settings.stop_grace_sec:
            self._finish(instance)

    def _finish(self, instance: Instance) -> None:
        """Ends the rest of the instance's container and records that it has ended."""
        container = self._containers.pop(instance.id, None)
        self._terminated_at.pop(instance.id, None)
        # under the lock, so that a control call cannot kill a process group whose number is free again
        with self._world.changed:
            if container is not None:
                container.kill()
            self._wipe(instance.id)
            job_id = fleet_actions.ended(self._world, instance.id, self._settings.start_delay_sec)
        log_event("salad_sim_instance_ended", instance_id=instance.id, group=instance.group_name, job_id=job_id)

    def _end_all(self) -> None:
        """Sends SIGTERM to all containers at once, and SIGKILL after stop_grace_sec."""
        for container in self._containers.values():
            container.terminate()
        until = self._world.clock.monotonic() + self._settings.stop_grace_sec
        waiting = threading.Event()  # never set: it only paces the polls
        while self._world.clock.monotonic() < until and not all(one.has_ended() for one in self._containers.values()):
            waiting.wait(POLL_SEC)
        for instance_id, container in self._containers.items():
            container.kill()
            self._wipe(instance_id)

    def _wipe(self, instance_id: str) -> None:
        disk = self._disks.pop(instance_id, None)
        if disk is not None:
            # a killed process may still be writing; what cannot be removed stays in the temporary directory
            shutil.rmtree(disk, ignore_errors=True)


def _emptied(directory: Path) -> Path:
    """Returns the folder without what an earlier process left there."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def _environment(settings: Settings, body: Mapping[str, object], port: int, metadata_uri: str) -> dict[str, str]:
    """Returns a container's environment: base variables, the group's own, PORT and SALAD_METADATA_URI."""
    container = body.get("container")
    variables = container.get("environment_variables", {}) if isinstance(container, dict) else {}
    return {**settings.base_environment, **variables, "PORT": str(port), "SALAD_METADATA_URI": metadata_uri}


def _queue_worker_environment(settings: Settings, grpc_endpoint: str) -> dict[str, str]:
    return {
        "SALAD_SERVICE_ENDPOINT": grpc_endpoint,
        "SALAD_SERVICE_USE_TLS": "false",
        "SALAD_LOG_LEVEL": settings.queue_worker_log_level,
        "QUEUE_WORKER_POLL_SEC": str(settings.queue_worker_poll_sec),
    }
