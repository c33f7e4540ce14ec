"""Known errors are recognized by Flink's own words, and every problem of ours can be explained."""

# ruff: noqa: E501 - messages as the systems say them
import re
from pathlib import Path
from typing import Any

import pytest

from clusters.engine import Statement
from clusters.flink_answers import root_cause
from jobs import advice, known_errors
from jobs.models import Problem
from jobs.remedies import AT_ITS_LINE, BUTTONS

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
    "Could not parse value 'lots' for key 'execution.checkpointing.interval'.\nNumberFormatException: text does not start with a number": "A Flink property has a value that is not understood",
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
    "TimeoutException: The heartbeat of TaskManager with id tm-b timed out.": "A TaskManager was lost",
    "FlinkException: A registered TaskManager local re-registered with a new session id. This indicates a restart of the TaskManager. Closing the old connection.": "A TaskManager was lost",
    "java.lang.OutOfMemoryError: Requested array size exceeds VM limit": "Out of memory",
    "TimeoutException: Timeout expired while fetching topic metadata": "Kafka can't be reached",
    "CommunicationsException: Communications link failure": "The database connection is broken",
    "SaslAuthenticationException: Authentication failed: Invalid username or password": "Kafka refuses the login",
    "TopicAuthorizationException: Not authorized to access topics: [orders]": "Kafka denies access",
    "SslAuthenticationException: SSL handshake failed": "The SSL handshake failed",
    "UnknownTopicOrPartitionException: This server does not host this topic-partition.": "The Kafka topic does not exist",
    "OffsetOutOfRangeException: Fetch position FetchPosition{offset=42} is out of range for partition orders-0": "The Kafka offset is gone",
    "RecordTooLargeException: The message is 1048668 bytes when serialized which is larger than 1048576, which is the value of the max.request.size configuration.": "The Kafka message is too large",
    "ProducerFencedException: There is a newer producer with the same transactionalId which fences the current one.": "The Kafka producer was fenced",
    "InvalidTxnTimeoutException: The transaction timeout is larger than the maximum value allowed by the broker (as configured by transaction.max.timeout.ms).": "The Kafka transaction timeout is too long",
    "IOException: Failed to deserialize consumer record ConsumerRecord(topic = orders, partition = 0)": "A Kafka message can't be read",
    "SQLException: No suitable driver found for jdbc:mysql://db:3306/shop": "The JDBC driver is missing",
    "SQLSyntaxErrorException: Access denied; you need (at least one of) the SUPER, REPLICATION CLIENT privilege(s) for this operation": "Replication rights are missing",
    "SQLException: Access denied for user 'flink'@'10.0.0.5' (using password: YES)": "The database refuses the login",
    "SQLSyntaxErrorException: Unknown database 'shop'": "The database does not exist",
    "SQLSyntaxErrorException: Table 'shop.orders' doesn't exist": "The database table does not exist",
    "SQLIntegrityConstraintViolationException: Duplicate entry '7' for key 'PRIMARY'": "Duplicate key in the database",
    "MySQLTransactionRollbackException: Lock wait timeout exceeded; try restarting transaction": "Deadlock or lock wait in the database",
    'MySQLNonTransientConnectionException: Data source rejected establishment of connection,  message from server: "Too many connections"': "Too many database connections",
    "MysqlDataTruncation: Data truncation: Data too long for column 'name' at row 1": "A value does not fit its database column",
    "ServerException: The slave is connecting using CHANGE MASTER TO MASTER_AUTO_POSITION = 1, but the master has purged binary logs containing GTIDs that the slave requires.": "GTIDs have been purged",
    "IllegalStateException: The connector is trying to read binlog starting at Struct{file=mysql-bin.000090,pos=154}, but this is no longer available on the server. Reconfigure the connector to use a snapshot when needed.": "The binlog position has expired",
    "ConnectException: A slave with the same server_uuid/server_id as this slave has connected to the master": "Server id conflict",
    "ValidationException: The MySQL server is configured with binlog_format STATEMENT rather than ROW, which is required for this connector to work properly.": "The binlog is not in row format",
    "ValidationException: The MySQL server has a timezone offset (0 seconds ahead of UTC) which does not match the configured timezone Asia/Shanghai.": "The time zones differ",
    "NoAuthWithAWSException: No AWS Credentials provided by DefaultAWSCredentialsProviderChain": "S3 credentials are missing or wrong",
    "AmazonS3Exception: The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket)": "The bucket does not exist",
    "AmazonS3Exception: Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied)": "S3 denies access",
    "SafeModeException: Cannot create file/flink/x. Name node is in safe mode.": "HDFS is in safe mode",
    "ConnectException: Call From tm-1/10.0.0.5 to namenode:8020 failed on connection exception: java.net.ConnectException: Connection refused": "HDFS can't be reached",
    "IOException: No space left on device": "No space left",
    "OutOfMemoryError: Java heap space": "The Java heap is full",
    "OutOfMemoryError: Metaspace. The metaspace out-of-memory error has occurred.": "Metaspace is full",
    "OutOfMemoryError: Direct buffer memory": "Direct memory is full",
    "OutOfMemoryError: GC overhead limit exceeded": "Garbage collection takes too long",
    "Container killed on request. Exit code is 137": "The container was killed for memory",
    "Fatal error occurred in the cluster entrypoint.": "A Flink process died",
    "IOException: Insufficient number of network buffers: required 33, but only 8 available.": "Not enough network buffers",
    "IllegalArgumentException: The minBucketMemorySize is not valid!": "Managed memory is too small",
    "IOException: Size of the state is larger than the maximum permitted memory-backed state. Size=6000000, maxSize=5242880.": "The state is too large for checkpoints in memory",
    "CheckpointException: Checkpoint expired before completing.": "The checkpoint took too long",
    "CheckpointException: Checkpoint was declined (tasks not ready)": "The checkpoint was declined",
    "CheckpointException: Could not finalize the pending checkpoint 3. Failure reason: Failure to finalize checkpoint.": "The checkpoint can't be finalized",
    "FlinkRuntimeException: Exceeded checkpoint tolerable failure threshold.": "Too many checkpoints failed",
    "IllegalStateException: The state for task 5b61 can not be restored. The maximum parallelism (128) of the restored state is lower than the configured parallelism (130).": "The maximum parallelism was changed",
    "IOException: Could not connect to BlobServer at address jm/10.0.0.4:6124": "Flink's files can't be fetched",
    "TimeoutException: The heartbeat of JobManager with id a1 timed out.": "The JobManager was lost",
    "LinkageError: loader constraint violation: loader 'app' wants to load class com.acme.Order": "A class was loaded twice",
    "NoSuchMethodError: 'void com.acme.Order.set(int)'": "Versions of JARs do not fit together",
    "ClassCastException: class java.lang.Integer cannot be cast to class java.lang.Long": "A value has an unexpected class",
    "ValidationException: Cannot instantiate user-defined function 'default_catalog.default_database.f1'.": "The user-defined function can't be created",
    "SqlValidatorException: Column 'id' is ambiguous": "The column is ambiguous",
    "SqlValidatorException: Expression 'name' is not being grouped": "A column is missing in GROUP BY",
    "SqlValidatorException: Cannot apply '+' to arguments of type '<INTEGER> + <BOOLEAN>'.": "Types do not fit",
    "ValidationException: Temporal table join currently only supports 'FOR SYSTEM_TIME AS OF' left table's time attribute field": "The temporal join lacks a key or time attribute",
    "ValidationException: 'upsert-kafka' tables require to define a PRIMARY KEY constraint.": "A primary key is required",
    "TableException: Sort on a non-time-attribute field is not supported.": "The query is not supported",
    "ValidationException: Temporary table '`default_catalog`.`default_database`.`t`' already exists": "The table exists already",
    "IllegalStateException: No operators defined in streaming topology. Cannot execute.": "There is nothing to run",
    "UserSystemExitException: Flink user code attempted to exit JVM.": "The program calls System.exit",
    "RestHandlerException: Jar file /tmp/nope.jar does not exist": "The JAR is not there",
    "FlinkJobNotFoundException: Could not find Flink job (90bea66)": "Flink does not know the job",
    "UnknownHostException: db.internal": "A host name is unknown",
    "ConnectException: Connection refused": "The connection was refused",
    "SocketException: Connection reset by peer": "The connection was reset",
    "CommitFailedException: Offset commit cannot be completed since the consumer is not part of an active group for auto partition assignment": "The consumer group lost its place",
    "NotLeaderOrFollowerException: For requests intended only for the leader, this error indicates that the broker is not the current leader.": "The Kafka partition has no leader",
    "IOException: Could not find schema with id 7 in registry": "The schema registry does not answer as needed",
    "SQLNonTransientConnectionException: Public Key Retrieval is not allowed": "MySQL hides its public key",
    'PSQLException: FATAL: no pg_hba.conf entry for host "10.0.0.5", user "flink", database "shop", no encryption': "PostgreSQL does not let this host in",
    "PSQLException: ERROR: logical decoding requires wal_level >= logical": "PostgreSQL is not set up for CDC",
    "PacketTooBigException: Packet for query is too large (5,000,000 > 4,194,304).": "The row is too large for MySQL",
    "PSQLException: ERROR: permission denied for table orders": "The user lacks a right in the database",
    'PSQLException: ERROR: column "amount" of relation "orders" does not exist': "A column is missing in the database",
    "ValidationException: To use incremental snapshot, 'scan.incremental.snapshot.chunk.key-column' must be set when the table doesn't have primary keys.": "The CDC table has no primary key",
    "AmazonS3Exception: Please reduce your request rate. (Service: Amazon S3; Status Code: 503; Error Code: SlowDown)": "The object storage slows down",
    "SaslException: GSS initiate failed [Caused by GSSException: No valid credentials provided (Mechanism level: Failed to find any Kerberos tgt)]": "Kerberos refuses the login",
    'AccessControlException: Permission denied: user=flink, access=WRITE, inode="/data":hdfs:hdfs:drwxr-xr-x': "HDFS denies access",
    "DSQuotaExceededException: The DiskSpace quota of /data is exceeded: quota = 10 B": "The quota of HDFS is used up",
    "FileSystemException: /data/x: Too many open files": "Too many open files",
    "OutOfMemoryError: unable to create native thread: possibly out of memory or process/resource limits reached": "No more threads",
    "IOException: The rpc invocation size 11000000 exceeds the maximum pekko framesize.": "A message between Flink's processes is too large",
    "FlinkRuntimeException: Task did not exit gracefully within 180 + seconds.": "A task did not react to its cancellation",
    "RocksDBException: While open a file for appending: /data/db/000012.sst": "RocksDB reports an error",
    "KeeperException$ConnectionLossException: KeeperErrorCode = ConnectionLoss for /flink": "ZooKeeper can't be reached",
    "InvalidProgramException: com.acme.Client@1b2c is not serializable. The object probably contains or references non serializable fields.": "Something can't be serialized",
    "ValidationException: Invalid data type of time field for watermark definition. The field must be of type TIMESTAMP(p) or TIMESTAMP_LTZ(p)": "The watermark is not on a timestamp",
    "SqlValidatorException: Unknown target column 'nosuch'": "The sink's columns are named wrongly",
    "DateTimeParseException: Text 'abc' could not be parsed at index 0": "A date or time can't be read",
    "ValidationException: Invalid value for option 'rows-per-second'.": "An option has a value that is not understood",
}


@pytest.mark.parametrize(("words", "title"), WORDS.items())
def test_it_recognizes_flinks_words(words: str, title: str) -> None:
    found = advice.explain(Problem(code="flink", summary=words))
    assert found.title == title
    assert found.advice
    assert found.summary == words


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("SqlValidatorException: Column 'idd' not found in any table", "column idd,"),
        (
            "ValidationException: From line 1, column 32 to line 1, column 37: Object 'nosuch' not found",
            "table nosuch,",
        ),
        ("ValidationException: Cannot find table '`c`.`d`.`x`' in any of the catalogs", "table `c`.`d`.`x`,"),
    ],
)
def test_it_names_what_is_missing(words: str, name: str) -> None:
    assert name in advice.explain(Problem(code="flink", summary=words)).cause


# What the real Flink said to tests/test_real_errors.py, as that recorded it.
TRACES = sorted((Path(__file__).parent / "traces").glob("*.txt"))


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_it_recognizes_recorded_traces(path: Path) -> None:
    title, _empty, words = path.read_text().split("\n", 2)
    assert advice.explain(Problem(code="flink", summary=words.partition("\n\n")[0], trace=words)).title == title


def test_a_property_is_named_and_no_line_of_the_script_is_blamed_for_it() -> None:
    insert = Statement("insert", "INSERT INTO snk SELECT 1", 3)
    setting = Statement("set", "execution.checkpointing.interval\nlots", 2)
    traces = [path.read_text() for path in TRACES if path.stem in ("property-value", "property-at-start")]
    assert len(traces) == 2
    for trace in traces:
        found = advice.explain(Problem(code="flink", summary=root_cause(trace), trace=trace))
        assert found.cause.startswith("The value of execution.checkpointing.interval has a form")
        assert found.summary.startswith(
            "Could not parse value 'lots' for key 'execution.checkpointing.interval'.\nNumber"
        )
        assert advice.line_of(found.summary, trace, [insert]) is None
        assert advice.line_of(found.summary, trace, [setting, insert]) == 2


def test_there_are_traces_and_nothing_of_a_machine_in_them() -> None:
    assert len(TRACES) >= 30
    assert not [path.name for path in TRACES if re.search(r"/work/|/root/|/home/|/tmp/", path.read_text())]


def test_every_entry_has_a_sample_and_a_title_of_its_own() -> None:
    titles = [entry.title for entry in known_errors.FLINK]
    assert set(WORDS.values()) == set(titles)
    assert len(titles) == len(set(titles)) >= 110


def test_what_is_offered_can_be_clicked() -> None:
    """An entry names only buttons that there are, and every button is named by one."""
    named = {act for entry in [*known_errors.FLINK, *known_errors.OWN.values()] for act in entry.acts}
    assert named == set(BUTTONS) - {AT_ITS_LINE}
    helpless = [entry.title for entry in [*known_errors.FLINK, *known_errors.OWN.values()] if not entry.acts]
    assert len(helpless) <= 8, "most entries have something to click"


def test_unknown_words_are_shown_as_they_are() -> None:
    found = advice.explain(Problem(code="flink", summary="SomethingException: nobody has seen this", trace="at x"))
    assert (found.cause, found.trace) == ("SomethingException: nobody has seen this", "at x")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Cannot discover a connector using option: 'connector'='kafka'", 'no connector named "kafka"'),
        ("Could not find any factory for identifier 'kafka' that implements 'x'", 'no connector named "kafka"'),
        ("Could not find any format factory for identifier 'avro' in the classpath.", 'no format named "avro"'),
    ],
)
def test_what_is_not_installed_is_named(text: str, told: str) -> None:
    summary = f"ValidationException: {text}"
    values = advice.known_of(summary)
    assert told in advice.explain(Problem(code="flink", summary=summary, values=values)).cause
    stored = {"known": values["known"]}  # before the pattern named it
    assert told in advice.explain(Problem(code="flink", summary=summary, values=stored)).cause


@pytest.mark.parametrize("code", known_errors.OWN)
def test_every_problem_of_ours_is_explained_also_without_its_values(code: str) -> None:
    found = advice.explain(Problem(code=code))
    assert found.title
    assert found.cause
    assert found.advice


def test_every_code_that_is_raised_has_an_entry() -> None:
    """Whoever adds a code must add its explanation."""
    source = "".join(path.read_text() for path in Path(advice.__file__).parent.rglob("*.py"))
    raised = set(re.findall(r'problem\("([a-z-]+)"', source)) | set(re.findall(r'ScriptError\("([a-z-]+)"', source))
    assert raised - {"flink"} <= set(known_errors.OWN)
    assert len(raised) > 10


def test_the_line_is_flinks_own_or_that_of_the_statement() -> None:
    statements = [Statement("other", "CREATE …", 1), Statement("insert", "INSERT …", 7)]
    assert advice.line_of("From line 9, column 3 to line 9, column 5: Object 'x' not found", "", statements) == 9
    assert advice.line_of('SQL parse failed. Encountered "x" at line 4, column 1.', "", statements) == 4
    assert (
        advice.line_of("Different number of columns.", "RuntimeException: Statement 2: Column types…", statements) == 7
    )
    assert advice.line_of(f"No table 'at line {'9' * 5000}'", "", statements) is None, "the name of a table"
    assert advice.line_of("Something else", "", statements) is None


def test_the_line_is_that_of_the_table_or_of_the_only_statement() -> None:
    create = Statement("other", "CREATE TEMPORARY TABLE IF NOT EXISTS `my`.`snk` (id INT)", 2)
    insert = Statement("insert", "INSERT INTO db.snk SELECT 1", 7)
    other = Statement("insert", "INSERT INTO snk2 SELECT 1", 9)
    blame = "The main method caused an error: Unable to create a sink for writing table 'c.d.snk'."
    assert advice.line_of("Could not find any factory", blame, [create, other, insert]) == 2
    assert advice.line_of("Table sink 'c.d.snk' doesn't support it", "", [create, other, insert]) == 7
    assert advice.line_of("x", "The main method caused an error: no", [create, insert]) == 7
    assert advice.line_of("x", "The main method caused an error: no", [create, insert, other]) is None
    started = "The main method caused an error: Failed to execute sql\nCaused by: Failed to execute job 'x'"
    assert advice.line_of("x", started, [create, insert]) is None
    assert advice.line_of("x", "From line 4, column 16 to line 4, column 21: Object 'x' not found", []) == 4


def test_the_readme_says_how_many_are_known(settings: Any) -> None:
    count = len(known_errors.OWN) + len(known_errors.FLINK)
    assert f"{count} known errors" in (settings.BASE_DIR / "README.md").read_text()
    assert f"{count} 种已知错误" in (settings.BASE_DIR / "README.zh-CN.md").read_text()
