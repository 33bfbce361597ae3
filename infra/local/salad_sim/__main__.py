"""Starts the simulator: connects its parts, logs its ports, and ends everything on a signal."""

import signal
import sys
import threading
import traceback
import uuid
from collections.abc import MutableMapping

import waitress
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from infra.local.faults import WEBHOOK, FaultBook
from infra.local.json_logs import log_event, send_library_logs_to_json
from infra.local.kept import KeptFile
from infra.local.salad_sim import (
    deliveries,
    grpc_service,
    imds,
    queue_actions,
    rest,
    routes_control,
    routes_groups,
    routes_organization,
    routes_queues,
    settings,
    spec,
    webhook_keys,
)
from infra.local.salad_sim.rate_limit import RateLimit
from infra.local.salad_sim.supervisor import Supervisor
from infra.local.salad_sim.world import SecretKey, World

# Each delayed answer occupies a thread; the instances' metadata service needs some more.
HTTP_THREADS = 48
MAX_BODY_BYTES = 11 * 1024 * 1024  # a job's input is sent over gRPC, whose messages are at most 10 MB
GRPC_STOP_SEC = 0.2


def build_app(world: World, faults: FaultBook, gates: rest.Gates, registry: rest.Registry) -> Flask:
    """Returns the HTTP application: REST, control and metadata service."""
    app = Flask("salad_sim")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    rest.add_routes(app, registry, gates)
    routes_control.add_routes(app, world, faults, gates.rate_limit)
    imds.add_routes(app, world)

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        return rest.problem(error.code or 500, error.description or error.name)

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        log_event("salad_sim_error", trace=traceback.format_exception(error))
        return rest.problem(500, "The simulator failed; its log says why.")

    return app


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    send_library_logs_to_json()
    try:
        chosen = settings.from_environment()
    except settings.SettingsError as error:
        log_event("salad_sim_settings_refused", detail=str(error))
        sys.exit(2)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # from a thread: the handler runs inside the main thread's wait, whose lock set() needs
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    run(chosen, stop)


def run(chosen: settings.Settings, stop: threading.Event) -> None:
    """Connects the parts, serves until stop is set, and ends every process."""
    outbox = deliveries.Outbox()
    kept = KeptFile(chosen.state_dir / "salad.sqlite3" if chosen.state_dir else None)
    world = World(
        webhook_keys=kept.table("webhook_keys"),
        queues=kept.table("queues"),
        jobs=kept.table("jobs"),
        groups=kept.table("groups"),
        new_id=lambda: str(uuid.uuid4()),
        on_finished=lambda job: outbox.put(deliveries.delivery_of(job), 0.0) if job.webhook else None,
    )
    registry = rest.Registry()
    for routes in (routes_queues, routes_groups, routes_organization):
        routes.register(registry, world, chosen)
    faults = FaultBook(frozenset({*registry.handlers, WEBHOOK}), kept.table("faults"), kept.table("calls"))
    settled = kept.table("settled")
    _go_on(world, chosen, outbox, settled)
    gates = rest.Gates(
        spec=spec.load(), settings=chosen, faults=faults, rate_limit=RateLimit(chosen.rate_limit), closing=stop
    )
    app = build_app(world, faults, gates, registry)
    server = waitress.create_server(app, host="127.0.0.1", port=chosen.port, threads=HTTP_THREADS)
    grpc_server, grpc_port = grpc_service.serve(world, chosen)
    deliveries.Senders(world, outbox, faults, chosen, settled).start()
    port = int(server.effective_port)
    supervisor = Supervisor(world, chosen, f"http://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}")
    supervisor.start()
    threading.Thread(target=server.run, name="http", daemon=True).start()
    log_event("salad_sim_ready", port=port, grpc_port=grpc_port)
    stop.wait()
    with world.changed:
        world.is_closing = True
        world.changed.notify_all()
    outbox.close()
    supervisor.join()
    grpc_server.stop(GRPC_STOP_SEC).wait()
    log_event("salad_sim_stopped")


def _go_on(
    world: World, chosen: settings.Settings, outbox: deliveries.Outbox, settled: MutableMapping[str, bool]
) -> None:
    """Takes up what an earlier process left: its waiting jobs, and the webhooks that it still owed."""
    if not world.webhook_keys:
        key = SecretKey(text=chosen.webhook_secret_key) if chosen.webhook_secret_key else webhook_keys.drawn()
        world.webhook_keys["1"] = key
    queue_actions.resume(world)
    for job in world.jobs.values():
        if job.status.is_terminal and job.webhook and job.id not in settled:
            outbox.put(deliveries.delivery_of(job), 0.0)


if __name__ == "__main__":
    main()
