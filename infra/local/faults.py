"""The planned faults of a simulator: which answers go wrong, how, and how often each fault has happened."""

import socket
import threading
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

WEBHOOK = "webhook"  # the delivery of webhooks: the one operation of Salad's that is not in its OpenAPI file
MAX_TIMES = 100_000
MAX_DELAY_SEC = 600.0  # longer than any time-out in a test
_WEBHOOK_FLAGS = ("lose", "double", "forge")
_KINDS = ("status", "delay_sec", "cut", *_WEBHOOK_FLAGS, "late_sec")


class FaultRefusedError(ValueError):
    """The planned fault is not one that the simulator knows; the message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One planned fault. fault: the request's object as it was sent, with exactly one kind in it."""

    id: str
    operation: str
    kind: str  # one of status, delay_sec, cut, lose, double, forge, late_sec
    fault: dict[str, Any]
    times: int
    happened: int = 0


def parsed(fault_id: str, body: Any, operations: frozenset[str]) -> Fault:
    """Reads {"operation", "fault", "times"}. Raises FaultRefusedError that names what is unknown."""
    if not isinstance(body, dict):
        raise FaultRefusedError("the body must be an object")
    _refuse_unknown("field", body, {"operation", "fault", "times"})
    operation, times = body.get("operation"), body.get("times", 1)
    fault: Any = body.get("fault")
    if operation not in operations:
        raise FaultRefusedError(f"unknown operation {operation!r}")
    if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= MAX_TIMES:
        raise FaultRefusedError(f"times must be 1-{MAX_TIMES}, not {times!r}")
    return Fault(id=fault_id, operation=operation, kind=_kind(operation, fault), fault=fault, times=times)


def _kind(operation: str, fault: Any) -> str:
    if not isinstance(fault, dict):
        raise FaultRefusedError(f"unknown fault {fault!r}")
    kinds = [name for name in _KINDS if name in fault]
    if len(kinds) != 1:
        raise FaultRefusedError(f"unknown fault {fault!r}: it needs exactly one of {', '.join(_KINDS)}")
    kind = kinds[0]
    _refuse_unknown("fault field", fault, {kind, "html", "retry_after"} if kind == "status" else {kind})
    if operation != WEBHOOK and kind in {*_WEBHOOK_FLAGS, "late_sec"}:
        raise FaultRefusedError(f"fault {kind!r} exists for the operation {WEBHOOK!r} only")
    if not _is_valid(kind, fault):
        raise FaultRefusedError(f"unknown fault {fault!r}: the value of {kind!r} is not one it can take")
    return kind


def _is_valid(kind: str, fault: dict[str, Any]) -> bool:
    value = fault[kind]
    if kind == "status":
        html, retry_after = fault.get("html", False), fault.get("retry_after", 0)
        return (
            isinstance(value, int)
            and _is_number(value, 400, 599)
            and isinstance(html, bool)
            and isinstance(retry_after, int)
            and _is_number(retry_after, 0, 86_400)
        )
    if kind == "cut":
        return value in {"before", "after"}
    if kind in _WEBHOOK_FLAGS:
        return value is True
    return _is_number(value, 0, MAX_DELAY_SEC)


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _refuse_unknown(what: str, given: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise FaultRefusedError(f"unknown {what} {unknown[0]!r}")


class FaultBook:
    """The planned faults and the counters of calls; safe for threads."""

    def __init__(
        self, operations: frozenset[str], faults: MutableMapping[str, Fault], calls: MutableMapping[str, int]
    ) -> None:
        """operations: the names that a fault may be planned for, `webhook` among them; faults, calls: where to keep
        them, by id and by operation."""
        self._operations = operations
        self._lock = threading.Lock()
        self._faults = faults
        self._calls = calls

    def add(self, fault_id: str, body: Any) -> Fault:
        """Plans a fault; raises FaultRefusedError."""
        fault = parsed(fault_id, body, self._operations)
        with self._lock:
            self._faults[fault.id] = fault
        return fault

    def get(self, fault_id: str) -> Fault | None:
        """Returns the fault with its present count, None when unknown."""
        with self._lock:
            return self._faults.get(fault_id)

    def take(self, operation: str) -> Fault | None:
        """Returns the operation's oldest planned fault that is not used up and counts it; None without one."""
        with self._lock:
            for fault in self._faults.values():
                if fault.operation == operation and fault.happened < fault.times:
                    used = replace(fault, happened=fault.happened + 1)
                    self._faults[fault.id] = used
                    return used
            return None

    def count(self, operation: str) -> None:
        """Counts a call of the operation."""
        with self._lock:
            self._calls[operation] = self._calls.get(operation, 0) + 1

    def calls(self) -> dict[str, int]:
        """Returns how often each operation was called since the start or the last reset."""
        with self._lock:
            return dict(self._calls)

    def reset(self) -> None:
        """Drops every fault and counter."""
        with self._lock:
            self._faults.clear()
            self._calls.clear()


def shown(fault: Fault) -> dict[str, Any]:
    """Returns a fault as the control operations show it."""
    return {name: getattr(fault, name) for name in ("id", "operation", "fault", "times", "happened")}


def cut(environ: Mapping[str, Any]) -> None:
    """Closes the caller's connection without an answer. environ: of a request that waitress serves.

    The socket is reached through a callback of waitress.
    """
    environ["waitress.client_disconnected"].__self__.socket.shutdown(socket.SHUT_RDWR)


def page(status: int) -> str:
    """Returns the HTML page of a fault with `html`."""
    return f"<!DOCTYPE html><html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
