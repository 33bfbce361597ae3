"""The gateway: one base URL for three functions. A reverse proxy that chooses the function by the path alone, as the
cloud's load balancer does.

It does no TLS, no authentication, no rate limit and no caching, and it never sends a request twice.
"""
