"""Use-cases, one story a module. Services on the database take `session` first and never commit; the edge does."""
