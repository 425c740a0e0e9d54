"""The review desk of the firm's staff."""
