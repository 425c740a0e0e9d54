"""Documents: downloads and pictures of pages."""
