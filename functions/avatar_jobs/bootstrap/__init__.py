"""The only place that picks concrete adapters: one module for each function, which imports what that one needs."""
