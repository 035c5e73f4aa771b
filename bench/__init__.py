"""How fast it is, measured: each file says how to run it, README.md what came out."""
