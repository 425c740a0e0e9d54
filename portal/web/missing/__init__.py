"""Transactions without a receipt: saying why, writing an own receipt, and the list to print."""
