"""Finances → Accounts."""
