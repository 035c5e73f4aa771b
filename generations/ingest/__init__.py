"""One adapter for each wire format: what came in, as records. Pure; knows no Django."""
