"""The clients of a member of staff."""
