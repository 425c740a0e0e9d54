"""Messages between clients and the firm."""
