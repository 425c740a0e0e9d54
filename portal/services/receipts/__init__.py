"""Receipts: imported, brought by hand, corrected; and the transactions that have none."""
