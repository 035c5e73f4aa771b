"""The real thing for tests: `manage.py up` in a folder and on a port of its own."""
