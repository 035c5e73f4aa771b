"""The HTTP doors for programs: REST, OpenTelemetry, Gantry, uploads, health."""
