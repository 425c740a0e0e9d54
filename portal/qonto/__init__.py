"""The gateway to Qonto: consent, calls, files. It owns no rows and lets no transport exception out."""
