"""Payment orders, from the first question to the bank to their end."""
