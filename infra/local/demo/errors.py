"""The one error of the demo: a sentence for its reader."""


class DemoError(Exception):
    """Something is off; the message is one clear sentence."""
