"""The package that the four functions share. pyproject.toml holds the order of its imports."""
