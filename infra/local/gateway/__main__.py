"""Serves the gateway on 127.0.0.1: `python -m infra.local.gateway`, settings from the environment (settings.py)."""

import os
import socket
import sys

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from infra.local.gateway.app import Gateway, problem
from infra.local.gateway.settings import SettingsError, read_settings
from infra.local.json_logs import log_event, send_library_logs_to_json

EXIT_PORT_TAKEN, EXIT_BAD_SETTINGS = 1, 2
SHUTDOWN_SEC = 2  # well within the 10 s in which the whole rehearsal must end
BACKLOG = 1024  # a burst of submissions waits instead of being refused


class PlainHttp(H11Protocol):
    """uvicorn's HTTP/1.1, with a problem document for what is not HTTP or has too long a head."""

    def send_400_response(self, msg: str) -> None:
        """Answers and closes the connection. msg: uvicorn's own sentence, which is not shown."""
        answer = problem(
            400, "Bad Request", "invalid_json", "The request is not valid HTTP, or its head is too long.", None
        )
        headers = [*answer.headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=answer.status, headers=headers, reason=b"Bad Request"),
            h11.Data(data=answer.body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        self.transport.close()


def run() -> int:
    """Serves until SIGTERM or SIGINT. Returns the exit code: 0, 1 when the port is taken, 2 for wrong settings."""
    send_library_logs_to_json()
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        log_event("gateway_settings_wrong", faults=str(error).splitlines())
        return EXIT_BAD_SETTINGS
    config = uvicorn.Config(
        Gateway(settings),
        http=PlainHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,  # the functions' own Server and Date pass through
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SEC,
        timeout_keep_alive=75,  # longer than clients pool idle connections, so that they close first
    )
    try:
        listener = socket.create_server(("127.0.0.1", settings.port), backlog=BACKLOG)
    except OSError as error:
        log_event("gateway_port_taken", port=settings.port, error=str(error))
        return EXIT_PORT_TAKEN
    with listener:
        sys.stdout.write(f'{{"event": "gateway_ready", "port": {listener.getsockname()[1]}}}\n')
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(run())
