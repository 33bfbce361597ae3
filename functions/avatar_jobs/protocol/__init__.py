"""Formats that other programs read or write: requests, problems, signatures, Salad jobs, worker messages, records.

No I/O.
"""
