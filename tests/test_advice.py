"""Known errors are recognized by Flink's own words, and every problem of ours can be explained."""

import re
from pathlib import Path

import pytest

from clusters.engine import Statement
from jobs import advice
from jobs.models import Problem

# As Flink 2.2.1 says them.
WORDS = {
    "SqlParserException: SQL parse failed. Non-query expression encountered in illegal context": "SQL syntax error",
    "ValidationException: SQL validation failed. From line 1, column 32 to line 1, column 37: Object 'nosuch' not found": "No such table",
    "ValidationException: Cannot find table '`default_catalog`.`default_database`.`x`' in any of the catalogs": "No such table",
    "SqlValidatorException: Column 'idd' not found in any table": "No such column",
    "SqlValidatorException: No match found for function signature MYUDF(<NUMERIC>)": "No such function",
    "ValidationException: Could not find any factory for identifier 'kafka' that implements 'x'": "The connector is not installed",
    "ValidationException: Could not find any format factory for identifier 'avro' in the classpath.": "The format is not installed",
    "ValidationException: One or more required options are missing.\n\nMissing required options are:\n\npath": "A table option is missing or wrong",
    "Cause: Incompatible types for sink column 'id' at position 0.": "Query and sink do not fit together",
    "Cause: Different number of columns.": "Query and sink do not fit together",
    "TableException: Table sink 'x' doesn't support consuming update changes which is produced by node GroupAggregate(…)": "The sink takes no updates",
    "ValidationException: The window function requires the timecol is a time attribute type, but is TIMESTAMP(3).": "The window needs a time attribute",
    "ClassNotFoundException: com.acme.Nope": "A class is missing",
    "FileNotFoundException: Cannot find checkpoint or savepoint file/directory 'file:///x' on file system 'file'.": "The snapshot's files are not there",
    "Failed to create checkpoint storage at checkpoint coordinator side.": "The snapshot can't be written",
    "UnsupportedFileSystemSchemeException: Could not find a file system implementation for scheme 's3'.": "No file system for this address",
    "NoResourceAvailableException: Could not acquire the minimum required resources.": "Not enough slots",
    "ArithmeticException: / by zero": "Division by zero",
    "NumberFormatException: For input string: 'abc'. Invalid character found.": "A value can't be converted",
    "RuntimeException: Fail to deserialize at field: id.": "A row can't be read",
    "EnforcerException: Column 'id' is NOT NULL, however, a null value is being written into it.": "NULL in a NOT NULL column",
    "FileNotFoundException: File file:/x does not exist or the user running Flink ('root') has insufficient permissions": "A file or directory is missing",
    "IOException: Failed to create the parent directory: /proc/out": "The sink's path can't be written",
    "StateMigrationException: For heap backends, the new state serializer must not be incompatible with the old": "The snapshot does not fit the new version",
    "IllegalStateException: Cannot map checkpoint/savepoint state for operator 90b": "The snapshot holds state that the new version has no place for",
    "IllegalArgumentException: Unrecognized checkpoint version number: 6": "The snapshot comes from a newer Flink",
    "Checkpoint triggering task x is not being executed. Not all required tasks are currently running.": "Not all tasks run",
    "ResourceManagerException: TaskManager with id tm-b is no longer reachable.": "A TaskManager was lost",
    "java.lang.OutOfMemoryError: Java heap space": "Out of memory",
    "TimeoutException: Timeout expired while fetching topic metadata": "Kafka can't be reached",
    "CommunicationsException: Communications link failure": "The database connection is broken",
}


@pytest.mark.parametrize(("words", "title"), WORDS.items())
def test_it_recognizes_flinks_words(words: str, title: str) -> None:
    found = advice.explain(Problem(code="flink", summary=words))
    assert found.title == title
    assert found.advice
    assert found.summary == words


def test_unknown_words_are_shown_as_they_are() -> None:
    found = advice.explain(Problem(code="flink", summary="SomethingException: nobody has seen this", trace="at x"))
    assert (found.cause, found.trace) == ("SomethingException: nobody has seen this", "at x")


@pytest.mark.parametrize("code", advice.OWN)
def test_every_problem_of_ours_is_explained_also_without_its_values(code: str) -> None:
    found = advice.explain(Problem(code=code))
    assert found.title
    assert found.cause
    assert found.advice


def test_every_code_that_is_raised_has_an_entry() -> None:
    """Whoever adds a code must add its explanation."""
    source = "".join(path.read_text() for path in Path(advice.__file__).parent.rglob("*.py"))
    raised = set(re.findall(r'problem\("([a-z-]+)"', source)) | set(re.findall(r'ScriptError\("([a-z-]+)"', source))
    assert raised - {"flink"} <= set(advice.OWN)
    assert len(raised) > 10


def test_the_line_is_flinks_own_or_that_of_the_statement() -> None:
    statements = [Statement("other", "CREATE …", 1), Statement("insert", "INSERT …", 7)]
    assert advice.line_of("From line 9, column 3 to line 9, column 5: Object 'x' not found", "", statements) == 9
    assert advice.line_of('SQL parse failed. Encountered "x" at line 4, column 1.', "", statements) == 4
    assert (
        advice.line_of("Different number of columns.", "RuntimeException: Statement 2: Column types…", statements) == 7
    )
    assert advice.line_of("Something else", "", statements) is None
