"""Ends a call to another system by the wall clock, whatever that system and the libraries in between do.

A time-out of a library holds for one read: a peer that sends a byte now and then, a resolver that hangs or a lock that
somebody keeps outlasts it. So the call runs in a thread of its own, and the caller leaves when the time is over.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Generic, TypeVar

Value = TypeVar("Value")
_of_thread = threading.local()


class TooLateError(Exception):
    """The time for a call is over."""


class TimedCall(Generic[Value]):
    """One call to another system, which must end within limit_sec seconds of its making."""

    def __init__(self, limit_sec: float) -> None:
        self.ends_at = monotonic() + limit_sec
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._abandoned = False
        self._may_have_sent = False
        self._sockets: list[socket.socket] = []
        self._error: BaseException | None = None
        self._result: list[Value] = []

    @property
    def may_have_sent(self) -> bool:
        """Returns False when no byte of a request has left this process, and none will."""
        with self._lock:
            return self._may_have_sent

    def left_sec(self) -> float:
        """Returns the seconds that are left, 0.0 when the time is over."""
        return max(0.0, self.ends_at - monotonic())

    def run(self, work: Callable[[], Value]) -> Value:
        """Returns what work returns, or raises what it raises. Raises TooLateError when the time is over.

        work is then abandoned: its thread can send nothing any more, and ends soon, because its sockets are shut down.
        """
        thread = threading.Thread(target=self._work, args=(work,), name="outside-call", daemon=True)
        thread.start()
        if not self._done.wait(self.left_sec()):
            self._abandon()
            raise TooLateError
        if self._error is not None:
            raise self._error
        return self._result[0]

    def opens(self, connected: socket.socket) -> None:
        """Notes a socket that this call waits for. Raises TooLateError when the call is abandoned."""
        with self._lock:
            if self._abandoned:
                raise TooLateError
            self._sockets.append(connected)

    def sends(self, connected: socket.socket) -> None:
        """Notes that a part of the request is about to be sent. Raises TooLateError when the call is abandoned."""
        self.opens(connected)
        with self._lock:
            if self._abandoned:
                raise TooLateError
            self._may_have_sent = True

    def _work(self, work: Callable[[], Value]) -> None:
        _of_thread.call = self
        try:
            self._result.append(work())
        except BaseException as error:  # noqa: BLE001  it is raised again in the caller's thread
            self._error = error
        finally:
            self._done.set()

    def _abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # wakes the thread; TLS's own shutdown would not


def current_call() -> TimedCall[object] | None:
    """Returns the call that this thread works for."""
    return getattr(_of_thread, "call", None)
