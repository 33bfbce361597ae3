"""What travels over the network for a run: downloads of the media, uploads of video and sidecar, and their reuse."""
