"""I/O: each adapter fills one port; they import ports and domain, never each other."""
