"""Assignments: made by the machine or a person, withdrawn, and how good they are."""
