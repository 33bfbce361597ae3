"""The HTTP side of the worker: the application with its three paths, and the server that runs it."""
