"""Conversations, and mails about anything."""
