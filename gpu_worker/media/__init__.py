"""Checks and converts media files: probe, preparation, damage, and the check of the finished video."""
