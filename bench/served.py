"""Answers HTTP with one WSGI application in one process, as a process of web does.

    python -m bench.served MODULE:NAME --fd SOCKET --threads 8

What is measured beside Generations is served in the same way.
"""

from __future__ import annotations

import argparse

from generations.management import balancing, serving

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("--fd", type=int, required=True, help="of the socket, which somebody else holds")
    parser.add_argument("--threads", type=int, required=True)
    asked = parser.parse_args()
    serving.serve(asked.target, asked.fd, asked.threads, streams=0, place=0, in_hand=balancing.counts(1))
