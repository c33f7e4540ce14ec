"""How many messages wait in the broker, Redis or RabbitMQ."""

import logging
from collections.abc import Iterator
from typing import Any

from kombu.exceptions import OperationalError
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from oceanus_console.celery import app, queues

logger = logging.getLogger(__name__)

SECONDS = 2


class Broker(Collector):
    def collect(self) -> Iterator[Metric]:
        try:
            waiting = waiting_messages()
        except OperationalError as error:
            logger.info("No metrics from the broker: %s", error)
            waiting = None
        yield GaugeMetricFamily("oceanus_broker_up", "Whether the broker answers.", value=int(waiting is not None))
        if waiting is not None:
            yield GaugeMetricFamily("oceanus_queue_messages", "Messages that wait for a worker.", value=waiting)


def waiting_messages() -> int:
    """Return how many wait in all queues. Raise OperationalError when the broker does not answer."""
    times = {"socket_connect_timeout": SECONDS, "socket_timeout": SECONDS}
    with app.connection_for_write(transport_options=times) as broker:
        broker.ensure_connection(max_retries=1, timeout=SECONDS)
        try:
            return sum(_length(broker, name) for name in queues())
        except broker.connection_errors as error:
            raise OperationalError(str(error)) from error


def _length(broker: Any, name: str) -> int:
    channel = broker.channel()  # of its own: the answer that there is no such queue closes it
    try:
        return int(channel.queue_declare(name, passive=True).message_count)
    except broker.channel_errors:  # Redis forgets an empty queue, and RabbitMQ knows none before the first worker
        return 0
