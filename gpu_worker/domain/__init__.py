"""What every room knows of a run: failures, stop switch, progress, geometry, and the rules for URLs. No I/O."""
