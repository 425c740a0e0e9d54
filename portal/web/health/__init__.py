"""Whether the process lives, and whether it could work."""
