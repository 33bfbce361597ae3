"""The port every engine serves, and the engines."""
