"""The Django project: composition only. What it is composed of is in `generations`."""
