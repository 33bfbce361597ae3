"""The worker inside the container: takes one job at a time and turns a face video and a voice track into an MP4."""

VERSION = "0.1.0"  # of the worker's own code; stands in every sidecar and must equal pyproject.toml's
