"""Everything that reaches outside the process: HTTP, ffmpeg, processes, object storage, scratch space and logs."""
