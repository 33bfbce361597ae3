"""Which function serves which path, and how each request becomes a call of a service; one module a function."""
