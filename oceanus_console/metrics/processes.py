"""What the web processes use of the machine, together: whichever of them is asked, the answer is the same."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class WebProcesses(Collector):
    """The figures that Prometheus knows of any process, as sums; the start is that of the oldest."""

    def collect(self) -> Iterator[Metric]:
        pids = siblings()
        sums: dict[str, Metric] = {}
        for pid in pids:
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                sums[metric.name] = added(sums[metric.name], metric) if metric.name in sums else metric
        yield from sums.values()
        yield GaugeMetricFamily("oceanus_web_processes", "Web processes of this console here.", value=len(pids))


def added(one: Metric, other: Metric) -> Metric:
    combine = min if one.name == "process_start_time_seconds" else sum
    (first,), (second,) = one.samples, other.samples
    one.samples = [first._replace(value=combine([first.value, second.value]))]
    return one


def siblings() -> list[int]:
    """Return this process and those that its parent has started with the same command line, as gunicorn does."""
    own, parent = os.getpid(), os.getppid()
    try:
        children = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        command = command_line(own)
        return sorted({own, *(pid for pid in children if command_line(pid) == command)})
    except OSError:  # no such file: not Linux, or one of them has just ended
        return [own]


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
