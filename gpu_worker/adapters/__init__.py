"""What touches the outside: HTTP, ffmpeg, object storage, scratch space and logs."""
