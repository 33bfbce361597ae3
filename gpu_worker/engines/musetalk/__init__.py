"""MuseTalk v1.5 as an engine: upstream's own program in a checkout that is never changed, watched from outside."""
