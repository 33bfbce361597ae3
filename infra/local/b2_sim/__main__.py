"""Serves the simulator on 127.0.0.1: `python -m infra.local.b2_sim`, settings from the environment (settings.py)."""

import os
import sys
import time

import waitress

from infra.local.b2_sim.app import create_app
from infra.local.b2_sim.faults import FAULTY
from infra.local.b2_sim.settings import SettingsError, read_settings
from infra.local.b2_sim.simulator import build_simulator
from infra.local.json_logs import log_event, send_library_logs_to_json

EXIT_BAD_SETTINGS = 2
THREADS = 16  # enough for the uploads of several workers and the functions' HEAD requests
MAX_BODY_BYTES = 600_000_000  # more than any output video; B2's own limit for one upload is 5 GB


def run() -> int:
    """Serves until SIGINT; SIGTERM ends the process at once, for it stores nothing. Returns the exit code."""
    send_library_logs_to_json()
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        log_event("b2_sim_settings_wrong", faults=str(error).splitlines())
        return EXIT_BAD_SETTINGS
    app = create_app(build_simulator(settings, time.time, FAULTY))
    server = waitress.create_server(
        app, host="127.0.0.1", port=settings.port, threads=THREADS, max_request_body_size=MAX_BODY_BYTES
    )
    sys.stdout.write(f'{{"event": "b2_sim_ready", "port": {server.effective_port}}}\n')
    sys.stdout.flush()
    try:
        server.run()
    finally:
        server.close()
    return 0


if __name__ == "__main__":
    sys.exit(run())
