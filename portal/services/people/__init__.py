"""Who somebody is, and whom he works for."""
