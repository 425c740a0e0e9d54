"""What the firm shows of itself."""
