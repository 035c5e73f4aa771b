"""OpenTelemetry's spans and log events, in whichever dialect of attributes, as records."""
