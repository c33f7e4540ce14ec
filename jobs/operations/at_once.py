"""Several requests to Flink under way at a time. What is done here speaks to Flink and touches no row."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from clusters.engine import EngineError, Unanswered, Unreachable

T = TypeVar("T")

AT_A_TIME = 8
# What is answered within so short a time is taken up together.
WAVE_SECONDS = 0.7


def pool() -> Executor:
    return ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="flink")


def in_waves(calls: Sequence[Callable[[], T]]) -> Iterator[list[tuple[int, T | Exception]]]:
    """Make the calls, and yield what they return or raise as it comes, each with the call's place in the sequence."""
    if len(calls) == 1:
        yield [_made(0, calls[0])]
        return
    with pool() as executor:
        under_way: set[Future[tuple[int, T | Exception]]] = {
            executor.submit(_made, place, call) for place, call in enumerate(calls)
        }
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            more, under_way = wait(under_way, timeout=WAVE_SECONDS)
            yield [one.result() for one in done | more]


def _made(place: int, call: Callable[[], T]) -> tuple[int, T | Exception]:
    try:
        return place, call()
    except Exception as error:
        return place, error


def _all_at_once(calls: Sequence[Callable[[], T]]) -> list[T | EngineError]:
    """Make the calls and return what they return, or the engine's errors, in their order."""
    if len(calls) <= 1:
        return [_answer(call) for call in calls]
    with pool() as executor:
        return list(executor.map(_answer, calls))


def while_answered(calls: Sequence[Callable[[], T]], first: int = 1) -> list[T | EngineError]:
    """Make the calls and return what they return, or the engine's errors: `first` so many, then several at a time.

    When none of those gets an answer there will be none to the others, and each would take its time: so they are not made, and
    share that error.
    """
    answers: list[T | EngineError] = []
    count = first
    while len(answers) < len(calls):
        some = _all_at_once(calls[len(answers) : len(answers) + count])
        answers += some
        if all(isinstance(one, Unreachable | Unanswered) for one in some):
            answers += [some[0]] * (len(calls) - len(answers))
        count = AT_A_TIME
    return answers


def _answer(call: Callable[[], T]) -> T | EngineError:
    try:
        return call()
    except EngineError as error:
        return error
