"""A stand-in for Backblaze B2 on loopback: the native API that b2sdk speaks and the S3 calls that boto3 makes."""
