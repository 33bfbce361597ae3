"""Finds free ports on loopback."""

from infra.local.ports import reserved_port
from infra.local.stack.plan import Ports
from infra.package import FUNCTIONS

OTHER_SERVERS = 6  # gateway, salad, b2, media, firestore, the scheduler's API


def choose_ports(gateway_port: int) -> Ports:
    """Gives a port for each server, the gateway's as asked (0: a free one).

    All are reserved, so no two are the same. Should a server still find its port taken, it ends, and the launcher with
    it, instead of running half.
    """
    free = [reserved_port() for _ in range(OTHER_SERVERS + len(FUNCTIONS))]
    gateway, salad, b2, media, firestore, scheduler, *functions = (port for port in free if port != gateway_port)
    others = (salad, b2, media, firestore, scheduler)
    return Ports(gateway_port or gateway, *others, dict(zip(FUNCTIONS, functions, strict=False)))
