"""Chooses the adapters: one module for each function, which imports only what that function needs."""
