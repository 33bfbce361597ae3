"""Use cases, one a file, on domain and ports alone."""
