"""Finds free ports on loopback."""

import socket
from contextlib import ExitStack

from infra.local.stack.plan import Ports
from infra.package import FUNCTIONS

OTHER_SERVERS = 6  # gateway, salad, b2, media, firestore, the scheduler's API


def choose_ports(gateway_port: int) -> Ports:
    """Gives a port for each server, the gateway's as asked (0: a free one).

    All are held open together, so that no two are the same. Between here and the servers' own bind another process
    could take one; then that server ends, and the launcher with it, instead of running half.
    """
    with ExitStack() as held:
        free = []
        for _ in range(OTHER_SERVERS + len(FUNCTIONS)):
            listener = held.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            free.append(int(listener.getsockname()[1]))
    gateway, salad, b2, media, firestore, scheduler, *functions = (port for port in free if port != gateway_port)
    others = (salad, b2, media, firestore, scheduler)
    return Ports(gateway_port or gateway, *others, dict(zip(FUNCTIONS, functions, strict=False)))
