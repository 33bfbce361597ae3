"""Reserves a port on loopback for a server that is started in a moment."""

import socket


def reserved_port() -> int:
    """Gives a free port that the kernel hands to nobody else for a minute, though a server may bind it by number.

    The port has served one connection, which our side closed first, so it rests in TIME_WAIT: the kernel draws no such
    port for others, and every server sets SO_REUSEADDR, which lets it bind there. A port that was only bound and let go
    could be drawn by any other process before its server starts.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()):
            listener.accept()[0].close()
        return int(listener.getsockname()[1])
