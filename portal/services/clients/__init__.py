"""A client of the firm: what is commissioned, and what its pages and lists show."""
