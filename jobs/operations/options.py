"""The Flink options that a run gets from its definition."""

from jobs.models import Definition

# Unset, Flink restarts a job with checkpoints for ever; the product restarts five times.
RESTART_BY_DEFAULT = {
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "5",
    "restart-strategy.fixed-delay.delay": "10 s",
}


def flink_options(definition: Definition, restart_by_default: bool = True) -> dict[str, str]:
    """Return option -> value. What the user wrote as advanced property wins."""
    options = {
        "execution.checkpointing.interval": f"{definition.checkpoint_interval_seconds} s",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.num-retained": "5",
        "pipeline.max-parallelism": "2048",
    }
    own_strategy = any(key.startswith("restart-strategy") for key in definition.properties)
    return (
        options | ({} if own_strategy or not restart_by_default else RESTART_BY_DEFAULT) | dict(definition.properties)
    )
