"""Serves a WSGI application on loopback, and stops without losing an answer that is being sent."""

import threading
import time
from typing import Any

import waitress

ADDRESS = "127.0.0.1"  # the queue worker and the probes run in the same container
# A request for a job keeps its thread until the job ends. A queue worker has one at a time. Requests of a queue worker
# that was restarted stay until their closed connection is noticed; the probes need a free thread even then.
THREADS = 16
MAX_BODY = 1_000_000  # bytes; more than the application accepts, so that the application answers
POLL_SEC = 0.05


class Server:
    """A listening server; port: the one that it really has."""

    def __init__(self, app: Any, port: int) -> None:
        self._server = waitress.create_server(
            app,
            host=ADDRESS,
            port=port,
            threads=THREADS,
            ident=None,
            max_request_body_size=MAX_BODY,
            channel_request_lookahead=1,  # lets a waiting request notice that its caller has closed the connection
        )
        self.port = int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, name="server", daemon=True)

    def start(self) -> None:
        """Starts to answer."""
        self._thread.start()

    def stop(self, wait_sec: float) -> bool:
        """Waits up to wait_sec until every answer was sent, then closes; returns whether all were."""
        give_up = time.monotonic() + wait_sec
        while self._is_busy() and time.monotonic() < give_up:
            threading.Event().wait(POLL_SEC)
        is_clean = not self._is_busy()
        self._server.close()
        return is_clean

    def _is_busy(self) -> bool:
        channels = list(self._server.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)
