"""Payments: prepared by the firm or the client, approved by the client, confirmed in the bank's app."""
