"""The demo: starts the rehearsal, sends one job through it, and shows and checks everything that happens."""


class DemoError(Exception):
    """Something is off; the message is one clear sentence."""
