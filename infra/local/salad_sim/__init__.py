"""A simulator of SaladCloud on loopback: REST API, job queue over gRPC, webhooks, IMDS, replicas as processes.

Imports run one way: __main__ -> routes_*, imds, supervisor, grpc_service, deliveries -> rest, containers ->
queue_actions, fleet_actions -> world -> jobs, fleet, faults. It imports nothing of the functions and
nothing of the worker: what they share is what Salad documents, so a common mistake cannot cancel out.
"""
