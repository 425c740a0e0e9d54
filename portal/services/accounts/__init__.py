"""Bank accounts with their booked transactions, from the bank or from files."""
