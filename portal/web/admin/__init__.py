"""The firm's overview."""
