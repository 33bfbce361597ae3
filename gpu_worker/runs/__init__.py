"""The state of a run that several threads share: its clock and stop switch, its progress, its reports."""
