"""The routes: one module for each function, with its paths and the services that they call."""
