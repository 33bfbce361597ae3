"""Serves a directory of media files on 127.0.0.1: `python -m infra.local.media_server`. Range requests work."""

import os
import sys
from pathlib import Path

import waitress
from flask import Flask, Response, send_from_directory

from infra.local.json_logs import log_event, send_library_logs_to_json

SAMPLES = Path(__file__).with_name("media")
EXIT_BAD_SETTINGS = 2
THREADS = 16  # each worker downloads two files at once


def create_app(directory: Path) -> Flask:
    """Returns the application, which serves GET and HEAD of the files below an absolute directory."""
    app = Flask("media", static_folder=None)

    @app.get("/<path:name>")
    def file(name: str) -> Response:
        return send_from_directory(directory, name)

    return app


def run() -> int:
    """Serves MEDIA_DIR (default: this repository's samples) on PORT (default 0: a free one). Returns the exit code."""
    send_library_logs_to_json()
    directory = Path(os.environ.get("MEDIA_DIR", str(SAMPLES))).resolve()
    port = os.environ.get("PORT", "0")
    if not directory.is_dir() or not port.isascii() or not port.isdigit():
        log_event("media_settings_wrong", MEDIA_DIR=str(directory), PORT=port)
        return EXIT_BAD_SETTINGS
    server = waitress.create_server(create_app(directory), host="127.0.0.1", port=int(port), threads=THREADS)
    sys.stdout.write(f'{{"event": "media_ready", "port": {server.effective_port}}}\n')
    sys.stdout.flush()
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(run())
