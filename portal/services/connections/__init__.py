"""The connection to the bank: consent, tokens, calls, confirmations, and what sets a sync going."""
