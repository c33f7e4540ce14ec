"""Known errors -> title, cause and what to do, in the user's language. Data, not code: add an entry, nothing else.

A problem of our own is found by its code; Flink's words are matched against the patterns, first match wins.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as N_

from clusters.engine import Statement
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
        return self.problem.summary

    @property
    def trace(self) -> str:
        # Lists leave traces in the database; only who asks for one loads it.
        return self.problem.trace


@dataclass(frozen=True, slots=True)
class Advice:
    title: str
    cause: str
    advice: str
    pattern: str = ""


OWN = {
    "script-empty": Advice(
        N_("The script is empty"),
        N_("There is no SQL statement in the draft."),
        N_("Write at least one INSERT statement."),
    ),
    "script-no-insert": Advice(
        N_("No INSERT statement"),
        N_("A job needs at least one INSERT INTO statement; this script has none."),
        N_("Add an INSERT INTO that writes into a sink table."),
    ),
    "script-unclosed": Advice(
        N_("Something is not closed"),
        N_("A quote, a backtick or a comment is opened and never closed."),
        N_("Close it. A quote inside a string is written twice: ''."),
    ),
    "script-bad-set": Advice(
        N_("SET is not understood"),
        N_("Line %(line)s: SET takes a key and a value in single quotes."),
        N_("Write it as SET 'key' = 'value';"),
    ),
    "cluster-unreachable": Advice(
        N_("The cluster can't be reached"),
        N_("The Flink of cluster %(cluster)s did not answer in time."),
        N_(
            "Check that the cluster runs and that its address is right. The console keeps asking; what happened meanwhile is shown as soon as it answers."
        ),
    ),
    "too-few-slots": Advice(
        N_("The cluster is too small for this parallelism"),
        N_("The job needs %(needed)s slots; the whole cluster has %(total)s."),
        N_("Lower the parallelism, publish and run again, or enlarge the cluster."),
    ),
    "no-free-slots": Advice(
        N_("No free slots"),
        N_("The cluster had fewer than %(needed)s free slots until the deadline."),
        N_("Stop jobs that are not needed, lower the parallelism, or enlarge the cluster."),
    ),
    "lost": Advice(
        N_("The job has vanished from Flink"),
        N_(
            "The JobManager of cluster %(cluster)s answers but does not know the job any more; it was probably restarted without high availability."
        ),
        N_("Run the job again, from its latest snapshot if there is one."),
    ),
    "cancelled-outside": Advice(
        N_("Cancelled outside of the console"),
        N_("Somebody cancelled the job on Flink itself, not through this console."),
        N_("Run it again, from its latest snapshot if there is one."),
    ),
    "start-too-slow": Advice(
        N_("The job did not come up in time"),
        N_("Not all tasks ran before the deadline, so the run was cancelled on Flink."),
        N_(
            "Look at the job in the Flink dashboard and in the logs of the TaskManagers; check free slots and the connections to sources and sinks."
        ),
    ),
    "end-too-slow": Advice(
        N_("The job did not end in time"),
        N_("Flink accepted the request, but the job still runs."),
        N_("Stop it again; if that does not help, look at the TaskManager's log for tasks that don't react."),
    ),
    "snapshot-too-slow": Advice(
        N_("The snapshot was not complete in time"),
        N_("The job was not stopped. Should Flink complete the snapshot later, it is recorded all the same."),
        N_(
            "Look at the checkpoints in the Flink dashboard: back pressure and large state make snapshots slow. Then try again."
        ),
    ),
    "snapshot-vanished": Advice(
        N_("The snapshot did not come about"),
        N_("Flink does not know the snapshot any more, and nothing was found in its directory."),
        N_("Try again. If the job has ended, run it from an earlier snapshot."),
    ),
    "failed-without-cause": Advice(
        N_("The job failed"), N_("Flink gives no cause."), N_("Look at the logs of JobManager and TaskManagers.")
    ),
}

FLINK = [
    Advice(
        N_("Division by zero"),
        N_("An expression of the job divides by zero for at least one row."),
        N_("Guard the division, for example with NULLIF(divisor, 0), publish and run again."),
        r"ArithmeticException: (/ by zero|Division)",
    ),
    Advice(
        N_("A value can't be converted"),
        N_("A text was cast into a number that it isn't."),
        N_("Use TRY_CAST, or filter such rows out before the cast."),
        r"NumberFormatException",
    ),
    Advice(
        N_("A row can't be read"),
        N_("The input does not have the declared format."),
        N_(
            "Check columns and types of the source table, or let the format skip such rows ('csv.ignore-parse-errors' or 'json.ignore-parse-errors' = 'true')."
        ),
        r"Fail to deserialize|Failed to deserialize|JsonParseException",
    ),
    Advice(
        N_("NULL in a NOT NULL column"),
        N_("The job writes NULL into a column that is declared NOT NULL."),
        N_("Filter the rows, give a default with COALESCE, or set table.exec.sink.not-null-enforcer to DROP."),
        r"EnforcerException",
    ),
    Advice(
        N_("SQL syntax error"),
        N_("Flink can't parse a statement."),
        N_("Look at the marked place: a missing comma, quote or keyword, or a reserved word without backticks."),
        r"SqlParserException|SQL parse failed|ParseException",
    ),
    Advice(
        N_("No such table"),
        N_("A table in the script does not exist."),
        N_("Check the spelling, and that its CREATE TABLE stands before its use."),
        r"Object '.*' not found|Cannot find table",
    ),
    Advice(
        N_("No such column"),
        N_("A column in the script does not exist in its table."),
        N_("Check the spelling and the table it belongs to."),
        r"Column '.*' not found",
    ),
    Advice(
        N_("No such function"),
        N_("A function does not exist or is called with other types."),
        N_("Check its name and the types of its arguments."),
        r"No match found for function signature",
    ),
    Advice(
        N_("The connector is not installed"),
        N_("The cluster has no connector of this name."),
        N_(
            "Check the spelling of 'connector', or have its JAR installed in Flink's lib folder on every host of the cluster."
        ),
        r"Cannot discover a connector|Could not find any factory for identifier",
    ),
    Advice(
        N_("The format is not installed"),
        N_("The cluster has no format of this name."),
        N_("Check the spelling of 'format', or have its JAR installed on the cluster."),
        r"Could not find any format factory",
    ),
    Advice(
        N_("A table option is missing or wrong"),
        N_("The WITH clause of a table lacks a required option or has one that is not known."),
        N_("Compare the WITH clause with the connector's documentation."),
        r"required options are missing|Unsupported options",
    ),
    Advice(
        N_("Query and sink do not fit together"),
        N_("The columns of the query and those of the sink table differ in number or type."),
        N_("List the columns in the sink's order and cast them to its types."),
        r"Incompatible types for sink column|Different number of columns",
    ),
    Advice(
        N_("The sink takes no updates"),
        N_("The query changes rows it has already written, and this sink can only append."),
        N_("Use a windowed aggregation, or a sink that takes updates (upsert-kafka, jdbc with a primary key)."),
        r"doesn't support consuming update",
    ),
    Advice(
        N_("The window needs a time attribute"),
        N_("The column of the window is a plain timestamp."),
        N_("Declare a WATERMARK for it in CREATE TABLE."),
        r"requires the timecol is a time attribute",
    ),
    Advice(
        N_("The snapshot does not fit the new version"),
        N_("The state in the snapshot has another shape than the query of this version."),
        N_("Run the old version from this snapshot, or run the new version without state."),
        r"StateMigrationException|must not be incompatible",
    ),
    Advice(
        N_("The snapshot holds state that the new version has no place for"),
        N_("An operator of the snapshot does not exist in this version."),
        N_('Run again with "allow non-restored state" to drop that state, or run the old version.'),
        r"Cannot map checkpoint/savepoint state",
    ),
    Advice(
        N_("The snapshot comes from a newer Flink"),
        N_("This Flink version can't read the snapshot."),
        N_("Run the job on the Flink version that made the snapshot, or without state."),
        r"Unrecognized checkpoint version number",
    ),
    Advice(
        N_("The snapshot's files are not there"),
        N_("Flink finds nothing at the snapshot's location."),
        N_("Choose another snapshot, or run without state."),
        r"Cannot find checkpoint or savepoint file",
    ),
    Advice(
        N_("The snapshot can't be written"),
        N_("Flink may not write into the snapshot directory of the cluster."),
        N_("Check the directory and the rights of the user that runs Flink; an administrator sets it at the cluster."),
        r"Failed to create savepoint directory|Failed to create checkpoint storage|Failed to create directory for shared state",
    ),
    Advice(
        N_("Not all tasks run"),
        N_("A snapshot needs all tasks of the job to run; some are starting or restarting."),
        N_("Wait until the job runs steadily and try again, or stop it without a snapshot."),
        r"Not all required tasks are currently running",
    ),
    Advice(
        N_("No file system for this address"),
        N_("Flink has no plugin for the scheme of a path, for example s3."),
        N_("Have the file system plugin installed on every host of the cluster, or use another path."),
        r"Could not find a file system implementation for scheme",
    ),
    Advice(
        N_("Not enough slots"),
        N_("Flink found no free slots for the job's tasks."),
        N_("Stop jobs that are not needed, lower the parallelism, or enlarge the cluster."),
        r"NoResourceAvailableException|Could not acquire the minimum required resources",
    ),
    Advice(
        N_("A file or directory is missing"),
        N_("A source reads from a path that does not exist, or that Flink may not read."),
        N_("Check the path in the WITH clause on the hosts of the cluster, and its rights."),
        r"Could not enumerate file splits|FileNotFoundException|NoSuchFileException",
    ),
    Advice(
        N_("The sink's path can't be written"),
        N_("Flink may not create the sink's directory or file."),
        N_("Check the path in the WITH clause and the rights of the user that runs Flink."),
        r"Failed to create the parent directory|AccessDeniedException|Permission denied",
    ),
    Advice(
        N_("Out of memory"),
        N_("A TaskManager or the JobManager ran out of memory."),
        N_("Choose a larger spec or a higher parallelism, or keep less state."),
        r"OutOfMemoryError",
    ),
    Advice(
        N_("A TaskManager was lost"),
        N_("A TaskManager stopped answering while it ran tasks of this job."),
        N_("Look at its log; exit code 137 means that it was killed for memory."),
        r"TaskManager with id .* is no longer reachable|Heartbeat of TaskManager",
    ),
    Advice(
        N_("A class is missing"),
        N_("A class that the job names is not on Flink's class path."),
        N_("Check the class name, and have its JAR installed on the cluster."),
        r"ClassNotFoundException|NoClassDefFoundError",
    ),
    Advice(
        N_("Kafka can't be reached"),
        N_("The brokers did not answer, or the topic does not exist."),
        N_("Check addresses, network and topic name."),
        r"Timeout expired while fetching topic metadata|Could not fetch partitions for|UnknownTopicOrPartition",
    ),
    Advice(
        N_("The database connection is broken"),
        N_("The connection to the database was refused or lost."),
        N_("Check address, user, network and the server's idle time-out."),
        r"Communications link failure|unable to open JDBC writer",
    ),
]
FALLBACK = Advice(
    N_("Flink reports an error"), "", N_("The words of Flink below tell more; the full trace is at the operation.")
)
# A stored problem names its entry by the English title ("known" among its values), so that nobody searches its trace again.
BY_TITLE = {entry.title: entry for entry in [*FLINK, FALLBACK]}


def explain(problem: Problem) -> Explanation:
    """Return what is known about a problem; for an unknown one, Flink's own words as the cause."""
    found = OWN.get(problem.code) or BY_TITLE.get(problem.values.get("known", ""))
    found = found or recognize(problem.summary + "\n" + problem.trace)
    values: dict[str, Any] = {"line": "", "cluster": "", "needed": "", "total": "", **problem.values}
    cause = _(found.cause) % values if found.cause else problem.summary
    return Explanation(_(found.title), cause, _(found.advice), problem)


def recognize(text: str) -> Advice:
    """Return the entry whose pattern stands in Flink's words."""
    return next((entry for entry in FLINK if re.search(entry.pattern, text)), FALLBACK)


def line_of(summary: str, trace: str, statements: Sequence[Statement]) -> int | None:
    """Return the line of the user's script that an error of Flink is about; None when it can't be told.

    Flink's own "line N" counts in the script, because statements are sent padded; else the runner names the statement.
    """
    if found := re.search(r"[Ll]ine (\d+),? [Cc]olumn", summary) or re.search(r"at line (\d+)", summary):
        return int(found.group(1))
    if (found := re.search(r"Statement (\d+): ", trace)) and int(found.group(1)) <= len(statements):
        return statements[int(found.group(1)) - 1].line
    return None
