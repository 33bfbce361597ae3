"""The demo: starts the rehearsal, sends one job through it, and shows and checks everything that happens."""


class DemoError(Exception):
    """The demo failed; the message says why in one sentence."""
