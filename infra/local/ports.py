"""Reserves a port on loopback for a server that is started soon after."""

import socket


def reserved_port() -> int:
    """Returns a free port that the kernel assigns to no other process for a minute; a server can still bind it.

    The port has had one connection, which our side closed first, so it is in TIME_WAIT. The kernel does not assign such
    a port, but a server with SO_REUSEADDR, which every server here sets, can bind it. A port that was only bound and
    closed could be assigned to another process before its server starts.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()):
            listener.accept()[0].close()
        return int(listener.getsockname()[1])
