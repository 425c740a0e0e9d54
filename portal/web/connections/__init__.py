"""Profile settings → Accounting connections."""
