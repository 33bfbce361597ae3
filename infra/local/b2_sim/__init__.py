"""A simulator of Backblaze B2 on loopback: the native API that b2sdk uses, and some S3 calls that boto3 makes.

README.md lists its settings, what it serves and what it does not do.
"""
