"""The adapters: each implements one port with real I/O. They import ports and domain, never each other."""
