"""Serves a WSGI application on loopback and ends it without losing an answer that is under way."""

import threading
import time
from typing import Any

import waitress

ADDRESS = "127.0.0.1"  # the queue worker and the probes run in the same container
# A request for a job holds its thread until the job ends. The queue worker has one at a time; what a restarted one
# left behind waits beside it until its hang-up is noticed, and the probes must still find a free thread.
THREADS = 16
MAX_BODY = 1_000_000  # bytes; larger than the application takes, so that the application words the refusal
POLL_SEC = 0.05


class Server:
    """A listening server; port: the one it really has."""

    def __init__(self, app: Any, port: int) -> None:
        self._server = waitress.create_server(
            app,
            host=ADDRESS,
            port=port,
            threads=THREADS,
            ident=None,
            max_request_body_size=MAX_BODY,
            channel_request_lookahead=1,  # lets a waiting request notice that its caller has hung up
        )
        self.port = int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, name="server", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self, wait_sec: float) -> bool:
        """Waits up to wait_sec until every answer was taken, then closes; says whether all were."""
        give_up = time.monotonic() + wait_sec
        while self._is_busy() and time.monotonic() < give_up:
            threading.Event().wait(POLL_SEC)
        is_clean = not self._is_busy()
        self._server.close()
        return is_clean

    def _is_busy(self) -> bool:
        channels = list(self._server.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)
