"""Django's PostgreSQL with a pool that keeps few connections busy."""
