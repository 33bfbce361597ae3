"""The gateway: one base URL for three functions. A reverse proxy that chooses the function by the path alone, as the
cloud's load balancer does.

The instances of a function take turns; one that does not listen is passed over. It does no TLS,
no authentication, no rate limit and no caching, and it never sends a request twice.
"""
