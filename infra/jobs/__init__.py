"""The operators' command: find jobs, read their story, and ask for what the functions would do anyway."""
