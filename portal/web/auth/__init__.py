"""Signing in and out, the second factor, the first admin."""
