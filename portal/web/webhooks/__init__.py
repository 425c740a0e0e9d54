"""Where the bank tells of changes."""
