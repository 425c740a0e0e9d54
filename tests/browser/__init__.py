"""Pages in a real Chromium: no CSP error, no axe violation, no sideways scrolling, in both languages and themes."""
