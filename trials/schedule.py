"""What happens in a real trial, and when: drawn from its seed alone, so that a seed can be replayed. Pure."""

from dataclasses import dataclass
from random import Random

PEOPLE = ("ann", "ben")
JOBS = 4  # that a trial works on, of those that are there
LOAD_SECONDS = (4.0, 6.5)

# What a person wants of a job; "toggle" is to run it when it stands still and to stop it when it runs.
WISHES = {
    "toggle-with-snapshot": 10,
    "toggle": 6,
    "snapshot": 5,
    "publish": 3,
    "copy": 1,
    "cancel": 2,
    "batch-run": 2,
    "batch-stop": 2,
    "batch-publish": 1,
    "batch-copy": 1,
}
# What is damaged: what -> how often. A JobManager or ZooKeeper takes long to come back, so they are killed less often.
KILLS = {
    "web": 3,
    "worker": 4,
    "beat": 2,
    "valkey": 3,
    "postgres": 3,
    "jobmanager": 2,
    "taskmanager": 2,
    "zookeeper": 0.4,
}
PAUSES = {"web": 2, "worker": 4, "beat": 1, "valkey": 2, "postgres": 2, "jobmanager": 2, "taskmanager": 2}
NETWORK = {
    "drop-answer": 5,
    "reset-before": 3,
    "delay": 2,
    "late": 3,
    "status-500": 2,
    "status-500-done": 2,
    "status-503": 2,
    "status-503-done": 2,
    "html": 2,
    "html-done": 2,
    "garbage-done": 2,
    "truncated": 2,
}
# Which requests to Flink: the asking ones mostly, for there a lost answer matters.
REQUESTS = {"asks": 6, "all": 2, "looks": 1}
MEANS = {"kill": 5, "pause": 2, "network": 5}


@dataclass(frozen=True)
class Click:
    """`by`: who; `both`: the other one clicks the same at the same moment; `job`: which of the trial's jobs."""

    at: float
    wish: str
    by: str
    job: int
    both: bool


@dataclass(frozen=True)
class Damage:
    """`means`: kill, pause, network; `what`: a process or a kind of loss; `seconds`: how long it lasts, if it does."""

    at: float
    means: str
    what: str
    seconds: float = 0.0
    requests: str = ""

    @property
    def name(self) -> str:
        return f"{self.means} {self.what}"


@dataclass(frozen=True)
class Schedule:
    seed: int
    clicks: list[Click]
    damages: list[Damage]

    def events(self) -> list[Click | Damage]:
        """Return clicks and damages together, in their order."""
        both: list[Click | Damage] = [*self.clicks, *self.damages]
        return sorted(both, key=lambda one: one.at)


def draw(seed: int) -> Schedule:
    """Return the schedule of a seed, the same one each time."""
    random = Random(seed)
    seconds = random.uniform(*LOAD_SECONDS)
    clicks = [_draw_click(random, seconds) for _number in range(random.randint(9, 16))]
    # Begin with what makes damage matter: jobs on their way.
    clicks += [Click(random.uniform(0, 0.4), "toggle-with-snapshot", PEOPLE[0], job, False) for job in range(2)]
    damages = [_draw_damage(random, seconds) for _number in range(random.choice([1, 1, 2, 2, 3]))]
    return Schedule(seed, sorted(clicks, key=lambda one: one.at), sorted(damages, key=lambda one: one.at))


def _draw_click(random: Random, seconds: float) -> Click:
    at = random.uniform(0, seconds)
    return Click(at, pick(random, WISHES), random.choice(PEOPLE), random.randrange(JOBS), random.random() < 0.15)


def _draw_damage(random: Random, seconds: float) -> Damage:
    at, means = random.uniform(0.2, seconds), pick(random, MEANS)
    if means == "kill":
        return Damage(at, means, pick(random, KILLS))
    if means == "pause":
        return Damage(at, means, pick(random, PAUSES), random.uniform(0.5, 4))
    return Damage(at, means, pick(random, NETWORK), random.uniform(1, 4), pick(random, REQUESTS))


def pick(random: Random, weights: dict[str, float] | dict[str, int]) -> str:
    return random.choices(list(weights), list(weights.values()))[0]
