"""What is known about a problem, in the user's language; the entries are in jobs/known_errors.py."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from clusters.engine import Statement
from clusters.network import told
from jobs.known_errors import FALLBACK, FLINK, OWN, Advice
from jobs.models import Problem


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person reads: ours in his language (title, cause, advice), Flink's as it came (summary, trace)."""

    title: str
    cause: str
    advice: str
    problem: Problem

    @property
    def summary(self) -> str:
        return told(self.problem.summary)

    @property
    def trace(self) -> str:
        # Lists leave traces in the database; only who asks for one loads it.
        return self.problem.trace


# A stored problem names its entry by the English title ("known" among its values), so that nobody searches its trace again.
BY_TITLE = {entry.title: entry for entry in [*FLINK, FALLBACK]}


def explain(problem: Problem) -> Explanation:
    """Return what is known about a problem; for an unknown one, Flink's own words as the cause."""
    found = advice_for(problem)
    is_recognized = problem.code in OWN or "known" in problem.values
    kept = named_in(found, problem.summary) if is_recognized else known_of(problem.summary + "\n" + problem.trace)
    # What an entry names and the problem does not know stays empty.
    values: dict[str, Any] = defaultdict(str, kept | problem.values)
    values["refusal"] = problem.refusal
    cause = _(found.cause) % values if found.cause else problem.summary
    return Explanation(_(found.title), cause, _(found.advice), problem)


def advice_for(problem: Problem) -> Advice:
    """Return the entry of a problem: by its code, by its title, else by Flink's words."""
    found = OWN.get(problem.code) or BY_TITLE.get(problem.values.get("known", ""))
    return found or recognize(problem.summary + "\n" + problem.trace)


def recognize(text: str) -> Advice:
    """Return the entry whose pattern stands in Flink's words."""
    return next((entry for entry in FLINK if re.search(entry.pattern, text)), FALLBACK)


def known_of(text: str) -> dict[str, str]:
    """Return what a problem keeps of Flink's words: the title of their entry, and what its pattern names in them."""
    entry = recognize(text)
    return {"known": entry.title} | named_in(entry, text)


def named_in(entry: Advice, text: str) -> dict[str, str]:
    """Return what the pattern of `entry` names in a text. Those of problems that were stored before it named it may tell it, too."""
    found = re.search(entry.pattern, text) if "?P<" in entry.pattern else None
    return found.groupdict() if found else {}


def line_of(summary: str, trace: str, statements: Sequence[Statement]) -> int | None:
    """Return the line of the user's script that an error of Flink is about; None when it can't be told.

    Flink's own "line N" counts in the script, because statements are sent padded; else it names a table, or the runner names
    the statement.
    """
    if found := re.search(r"[Ll]ine (\d{1,9}),? [Cc]olumn", summary) or re.search(r"at line (\d{1,9})\b", summary):
        return int(found.group(1))
    if found := re.search(r"From line (\d{1,9}), column", trace):
        return int(found.group(1))
    named = _statement_of_table(f"{summary}\n{trace}", statements)
    if named is None and (found := re.search(r"Statement (\d{1,9}): ", trace)):
        named = next(iter(statements[int(found.group(1)) - 1 :]), None)
    if named is None and (key := known_of(f"{summary}\n{trace}").get("key")):
        # A property: the script is to blame only where it sets that.
        settings = [one for one in statements if one.kind == "set" and one.text.partition("\n")[0] == key]
        return settings[-1].line if settings else None
    if named is None and "The main method caused an error" in trace and "Failed to execute job" not in trace:
        # It was compiling, so it is about what is to run; where that is only one statement, it can be told.
        inserts = [one for one in statements if one.kind == "insert"]
        named = inserts[0] if len(inserts) == 1 else None
    return named.line if named else None


# What Flink says of a table -> the statement that is to blame: the one that creates it, or the one that writes into it.
BLAMED = {
    r"Unable to create a (?:source for reading|sink for writing) table '([^']+)'": r"CREATE\s.*?TABLE\s+",
    r"(?:query result and sink for|Table sink) '([^']+)'": r"INSERT\s+(?:INTO|OVERWRITE)\s+",
}


def _statement_of_table(text: str, statements: Sequence[Statement]) -> Statement | None:
    for words, begins in BLAMED.items():
        if found := re.search(words, text):
            table = re.escape(found.group(1).rpartition(".")[2])
            pattern = re.compile(rf"{begins}(?:IF\s+NOT\s+EXISTS\s+)?(?:[\w`]+\.)*`?{table}`?(?!\w)", re.IGNORECASE)
            return next((one for one in statements if pattern.match(one.text)), None)
    return None
