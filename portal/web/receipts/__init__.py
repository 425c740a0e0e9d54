"""A client's receipts: the list with every state and its reason, and each receipt's own page."""
