"""Formats that others read or write: requests, signatures, Salad jobs, worker messages, stored records. No I/O."""
