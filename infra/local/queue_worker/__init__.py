"""A stand-in for Salad's queue worker: it takes jobs over gRPC and POSTs them to the worker on the same instance.

Written from the documented behaviour, so that the rehearsal runs without the real program. It shares only the .proto
file and the form of log lines with the simulator. Imports run one way: __main__ -> loop -> metadata, execution,
settings. It does not limit the time of a job, keep a job over its own restart, or run more than one job at a time.
"""
