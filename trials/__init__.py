"""Trials: the whole console under load and damage, and whether its guarantees (DESIGN.md, G1 to G9) held. Nothing imports this.

    ./oceanus trials --count 20                 on a real Flink: processes killed and paused, answers lost on the way
    ./oceanus trials --count 2000 --simulated   against a fake Flink in simulated time; minutes instead of an hour
    ./oceanus trials --replay 1234              the schedule of one seed once more (with --simulated where it came from there)

A trial is a short schedule that follows from its seed alone: what people click, and what is damaged meanwhile. Then the
damage is healed, the dust settles, and every guarantee is checked against the database, Flink itself, Flink's archive
of ended jobs and the directory of snapshots. What does not hold is a finding; it is printed with the seed and the log of its trial.

    --seed S        the first trial has seed S, the next S + 1, ... (default: 1)
    --processes N   of simulated trials (default: one a core)
    --home DIR      where the console under trial lives (default: a new directory, removed when nothing was found)
    --report FILE   the report at the end, as JSON too

The exit code is 1 when anything was found. Real trials share one console: the second begins with what the first has left.

Where to look: schedule.py (what happens), load.py and damage.py (who does it), proxy.py (the network), checks.py (what must hold),
trial.py (one real trial), simulation.py (one simulated trial).
"""
