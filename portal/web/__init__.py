"""The web: one folder per feature; views parse, call one service, and answer."""
