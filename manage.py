#!/usr/bin/env python
"""The command line: `up` and `restore` begin without Django, everything else goes to it."""

import logging
import os
import sys


def main() -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "observability.settings")
    if sys.argv[1:2] == ["up"]:
        # The supervisor lives as long as its children; without Django it takes a fifth of the memory.
        from generations.management import supervising

        sys.exit(supervising.main(sys.argv[2:]))
    if sys.argv[1:2] == ["restore"]:
        # It brings the secret key that Django's settings ask for.
        from generations.management import restoring

        sys.exit(restoring.main(sys.argv[2:]))
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    # It tells of each attempt; who typed the command is told below, once, and what to do.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    try:
        execute_from_command_line(sys.argv)
    except OperationalError:
        from generations import doctor

        if (said := doctor.unanswered()) is None:
            raise
        sys.exit(said)
    except ImproperlyConfigured as error:
        # It names the setting and what would be right; where it was read helps nobody.
        sys.exit(str(error))


if __name__ == "__main__":
    main()
