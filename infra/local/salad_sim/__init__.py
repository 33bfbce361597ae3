"""A simulator of SaladCloud on loopback: REST API, job queue over gRPC, webhooks, IMDS, replicas as processes.

README.md lists its settings and what it does not do. Imports run one way: __main__ -> routes_*, imds, supervisor,
grpc_service, deliveries -> rest, containers -> queue_actions, fleet_actions -> world -> jobs, fleet, faults. It imports
neither the functions nor the worker: all three follow Salad's documentation on their own, so that a mistake in one of
them is not hidden by the same mistake in another.
"""
