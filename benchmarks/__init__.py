"""Benchmarks: the console's speed beside that of something plain, in the same run. Nothing imports this.

    ./oceanus bench                  all of them, with the sizes that docs/performance.md tells of
    ./oceanus bench list poll        only these
    ./oceanus bench --json FILE      the results as JSON too

A benchmark does the console's work and a baseline's by turns and compares their medians, so that what else the machine does
weighs on both alike: the ratio counts, the milliseconds are for orientation. Each ratio has a budget. The database is
one of its own, in a temporary directory, as durable as in production; pages are asked for over HTTP from the web
server that `./oceanus up` starts.

    list            the list of jobs, against the change list of Django's admin over the same rows
    poll            what an open list asks every two seconds, against the list itself
    watch           1,000 running jobs on ten fake Flinks: processor time of worker and beat, requests, how old a status is, and
                    how soon 100 jobs that fail at once are shown so with their causes
    browsers        200 open lists that ask for what is new, while batches start and stop the 100 jobs that they show
    start           one job on the real Flink, from the click until its page shows it running, against the bare requests
    batch-run, batch-stop, batch-cancel
                    100 jobs on the real Flink, from the click until the record says so, against eight threads that send the
                    same requests to the same Flink
    batch-accept    the click that asks for a batch of 1,000 jobs: seconds and SQL statements
    copy            copies of 1,000 jobs, against the bare bulk INSERTs of as many rows
    footprint       what `up` takes: memory without Flink, time to start, and whether the web server grows under load

Where to look: ground.py (database, broker, web server), rows.py (what fills the database), measure.py (taking turns, and the
page of results), job_list.py, watching.py (with many_flinks.py), browsers.py, real_flink.py (with raw_flink.py), batches.py and
footprint.py (the benchmarks).
"""

ROWS = 50  # on a page, of both lists
