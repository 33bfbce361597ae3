"""Downloads the media of a run, uploads its video and sidecar, and finds the video of an earlier run."""
