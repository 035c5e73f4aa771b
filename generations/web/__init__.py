"""The HTML door: server-rendered pages over the same modules as every other door."""
