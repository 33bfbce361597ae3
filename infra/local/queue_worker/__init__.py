"""A stand-in for Salad's queue worker: takes jobs over gRPC and POSTs them to the worker beside it.

Written from the documented behaviour, so that the rehearsal runs where the real program is not at hand. Imports run
one way: __main__ -> loop -> metadata, execution, settings. It shares nothing with the simulator but the .proto file.
"""
