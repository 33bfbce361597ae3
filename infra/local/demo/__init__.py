"""The demo: starts the rehearsal, sends one job through it, and shows and checks everything that happens."""
