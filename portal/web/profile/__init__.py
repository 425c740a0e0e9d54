"""Profile settings."""
