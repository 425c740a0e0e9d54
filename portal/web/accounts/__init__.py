"""Accounts: adding, choosing, describing, deleting them."""
