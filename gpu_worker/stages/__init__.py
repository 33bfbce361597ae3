"""One file for each stage that a run passes through, in order: download, probe, prepare, verify, upload."""
