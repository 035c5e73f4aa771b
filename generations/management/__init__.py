"""Commands of manage.py, and what keeps the processes running."""
