"""`python -m oceanus_console.worker`: carry out what is woken up.

Threads: steps wait for Flink most of the time, and each of them ends soon. So many that a Flink that hangs holds up no other;
a thread that is not needed is not begun.
"""

import os
import sys
from argparse import ArgumentParser
from socket import gethostname

from celery.utils.nodenames import nodename

from oceanus_console.celery import app, queues
from workspaces.pooler import refuse_at_start


def main() -> None:
    parser = ArgumentParser(prog="python -m oceanus_console.worker")
    parser.add_argument("--concurrency", type=int, default=32, help="threads (default: 32)")
    parser.add_argument("--name", default="celery", help="tells it from others on this machine (default: celery)")
    options = parser.parse_args()
    # `migrate` has made them; they would load all pages, which no task needs.
    os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
    worker = app.Worker(
        pool="threads",
        concurrency=options.concurrency,
        queues=queues(),
        hostname=nodename(options.name, gethostname()),
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    refuse_at_start()
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
