"""The worker inside the container: takes one job at a time and turns a face video and a voice track into an MP4."""
