"""Payments: their life, what exactly is ordered, what may be ordered, and who may order it."""
