"""What all other packages use: failures, stop switch, progress, geometry, and the rules for URLs. No I/O."""
