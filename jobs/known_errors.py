"""Known errors -> title, cause and what to do. Data, not code: add an entry, nothing else.

A problem of our own is found by its code; Flink's words are matched against the patterns, first match wins. What a pattern names
in them, (?P<key>...), the cause may tell: %(key)s.
"""

# ruff: noqa: E501 - one sentence or pattern stays on one line
from dataclasses import dataclass

from django.utils.translation import gettext_noop as N_


@dataclass(frozen=True, slots=True)
class Advice:
    title: str
    cause: str
    advice: str
    pattern: str = ""
    # What may be clicked about it, by name (jobs/remedies.py).
    acts: tuple[str, ...] = ()
    # A job that was given a snapshot and says this will never come up, however often Flink restarts it.
    is_hopeless: bool = False


OWN = {
    "script-empty": Advice(
        N_("The script is empty"),
        N_("There is no SQL statement in the draft."),
        N_("Write at least one INSERT statement."),
        acts=("edit",),
    ),
    "script-no-insert": Advice(
        N_("No INSERT statement"),
        N_("A job needs at least one INSERT INTO statement; this script has none."),
        N_("Add an INSERT INTO that writes into a sink table."),
        acts=("edit",),
    ),
    "script-unclosed": Advice(
        N_("Something is not closed"),
        N_("A quote, a backtick or a comment is opened and never closed."),
        N_("Close it. A quote inside a string is written twice: ''."),
        acts=("edit",),
    ),
    "script-bad-set": Advice(
        N_("SET is not understood"),
        N_("Line %(line)s: SET takes a key and a value in single quotes."),
        N_("Write it as SET 'key' = 'value';"),
        acts=("edit",),
    ),
    "variable-unknown": Advice(
        N_("There is no such variable"),
        N_("Line %(line)s names the variable %(name)s, which the workspace does not have."),
        N_(
            "Create it on the page Variables, or correct its name. To write the characters themselves, double the dollar sign: $${...}."
        ),
        acts=("edit",),
    ),
    "variable-unknown-in-property": Advice(
        N_("There is no such variable"),
        N_("The advanced property %(key)s names the variable %(name)s, which the workspace does not have."),
        N_(
            "Create it on the page Variables, or correct its name. To write the characters themselves, double the dollar sign: $${...}."
        ),
        acts=("set-properties",),
    ),
    "variable-unquoted": Advice(
        N_("This variable may only stand within quotes"),
        N_(
            "Line %(line)s: outside of quotes, a value may only be a number or an identifier; that of %(name)s is neither."
        ),
        N_("Put the variable into single quotes, or give it another value."),
        acts=("edit",),
    ),
    "masked": Advice(
        N_("The stars are not the secret"),
        N_("Line %(line)s: ****** stands at %(name)s. That is how the console shows a secret, not the secret itself."),
        N_(
            'Write the secret there or, better, name a hidden variable: ${...}. Texts from the page of a version or from the API have their secrets masked; "Restore to the draft" takes a version over as it is.'
        ),
        acts=("edit",),
    ),
    "masked-in-property": Advice(
        N_("The stars are not the secret"),
        N_(
            "The advanced property %(name)s has the value ******. That is how the console shows a secret, not the secret itself."
        ),
        N_(
            'Write the secret there or, better, name a hidden variable: ${...}. Texts from the page of a version or from the API have their secrets masked; "Restore to the draft" takes a version over as it is.'
        ),
        acts=("set-properties",),
    ),
    "variable-unreadable": Advice(
        N_("A hidden variable can't be decrypted"),
        N_("The value of %(name)s was sealed under a secret key that the console does not have any more."),
        N_("Give the variable its value anew, or add the former key to OCEANUS_SECRET_KEY_FALLBACKS."),
    ),
    "cluster-unreachable": Advice(
        N_("The cluster can't be reached"),
        N_("The Flink of cluster %(cluster)s did not answer."),
        N_(
            "Check that the cluster runs and that its address is right. The console keeps asking; what happened meanwhile is shown as soon as it answers."
        ),
        acts=("see-cluster",),
    ),
    "not-followed": Advice(
        N_("The operation could not be followed to its end"),
        N_("An internal error; the log of the worker tells more."),
        N_(
            "The status shown is what Flink last told of the job. Look at it, then ask again for what is still to be done."
        ),
    ),
    "too-few-slots": Advice(
        N_("The cluster is too small for this parallelism"),
        N_("The job needs %(needed)s slots; the whole cluster has %(total)s."),
        N_("Lower the parallelism, publish and run again, or enlarge the cluster."),
        acts=("set-parallelism", "see-cluster"),
    ),
    "no-free-slots": Advice(
        N_("No free slots"),
        N_("The cluster had fewer than %(needed)s free slots until the deadline."),
        N_("Stop jobs that are not needed, lower the parallelism, or enlarge the cluster."),
        acts=("run-again", "set-parallelism", "see-cluster"),
    ),
    "lost": Advice(
        N_("The job has vanished from Flink"),
        N_(
            "The JobManager of cluster %(cluster)s answers but does not know the job any more; it was probably restarted without high availability."
        ),
        N_("Run the job again, from its latest snapshot if there is one."),
        acts=("run-from-newest", "see-snapshots"),
    ),
    "lost-at-new-address": Advice(
        N_("The job is not known at the new address of its Flink"),
        N_(
            "The Flink of cluster %(cluster)s got another address, and the Flink there does not know the job. It may still run at the former address."
        ),
        N_(
            "If the address is wrong, correct it: then the job is found again. Else see to it that the job has ended at the former address before you run it; the console does not run it again by itself."
        ),
        acts=("see-cluster", "see-snapshots"),
    ),
    "runs-unrecorded": Advice(
        N_("The job runs already"),
        N_(
            "The Flink of cluster %(cluster)s runs the job, and the console had no record of that: it was started after the backup that was restored. So it was not started a second time."
        ),
        N_("Nothing has to be done: within seconds the console takes over what runs."),
        acts=("see-cluster",),
    ),
    "restarts-often": Advice(
        N_("Flink restarts the job again and again"),
        N_(
            "The job fails soon after each start, and Flink brings it up anew from its last checkpoint, without end. In between it is shown as running, but it gets on slowly or not at all."
        ),
        N_(
            "The overview of the job tells the exceptions of its last restarts. If it will not recover by itself, stop it, mend what they are about, publish it and run it from its newest restore point."
        ),
        acts=("edit",),
    ),
    "runs-twice": Advice(
        N_("Two runs of one job on Flink"),
        N_(
            "Beside the run on record, cluster %(cluster)s runs the job under %(ids)s; that was started after a backup that was restored. Both may write the same results."
        ),
        N_(
            "Look at both in Flink's own pages. To keep the one on record, end the other one there; to keep the other one, stop the job here: then it is taken over within seconds."
        ),
    ),
    "lost-without-ha": Advice(
        N_("The job has vanished from Flink"),
        N_(
            "The JobManager of cluster %(cluster)s was restarted, and it runs without high availability: it has forgotten all jobs that ran."
        ),
        N_(
            "Run the job again from its newest restore point. With high availability, jobs come back by themselves; an administrator of the cluster can set it up."
        ),
        acts=("run-from-newest", "see-snapshots"),
    ),
    "recovery-refused": Advice(
        N_("The console could not run the job again"),
        N_("It was refused: %(refusal)s"),
        N_("Remove the reason; the console tries again a few times. You can also run the job yourself."),
        acts=("run-from-newest", "see-snapshots"),
    ),
    "cancelled-outside": Advice(
        N_("Cancelled outside of the console"),
        N_("Somebody cancelled the job on Flink itself, not through this console."),
        N_("Run it again, from its latest snapshot if there is one."),
        acts=("run-from-newest", "see-snapshots"),
    ),
    "start-too-slow": Advice(
        N_("The job did not come up in time"),
        N_("Not all tasks ran before the deadline, so the run was cancelled on Flink."),
        N_(
            "Look at the job in the Flink dashboard and in the logs of the TaskManagers; check free slots and the connections to sources and sinks."
        ),
        acts=("run-again", "set-parallelism"),
    ),
    "no-taskmanager": Advice(
        N_("The cluster has no TaskManager"),
        N_("Flink answers, but not one TaskManager has reported to it. So it has no slots at all, and no job can run."),
        N_(
            "Have a TaskManager of the cluster started; if there was one, its log says why it ended. Then run the job again."
        ),
        acts=("run-again", "see-cluster"),
    ),
    "end-too-slow": Advice(
        N_("The job did not end in time"),
        N_("Flink accepted the request, but the job still runs."),
        N_("Stop it again; if that does not help, look at the TaskManager's log for tasks that don't react."),
        acts=("stop-without-snapshot",),
    ),
    "stop-forgotten": Advice(
        N_("The job runs on"),
        N_(
            "Its snapshot was complete, but before the job had ended, a new JobManager took over. It brought the job back, and knows nothing of the stop."
        ),
        N_("Stop it again, with a snapshot: the first one does not hold what was processed since."),
        acts=("stop-again",),
    ),
    "snapshot-too-slow": Advice(
        N_("The snapshot was not complete in time"),
        N_("The job was not stopped. Should Flink complete the snapshot later, it is recorded all the same."),
        N_(
            "Look at the checkpoints in the Flink dashboard: back pressure and large state make snapshots slow. Then try again."
        ),
        acts=("snapshot-again", "set-checkpoints"),
    ),
    "snapshot-vanished": Advice(
        N_("The snapshot did not come about"),
        N_("Flink does not know the snapshot any more, and nothing was found in its directory."),
        N_("Try again. If the job has ended, run it from an earlier snapshot."),
        acts=("snapshot-again", "see-snapshots"),
    ),
    "failed-without-cause": Advice(
        N_("The job failed"),
        N_("Flink gives no cause."),
        N_("Look at the logs of JobManager and TaskManagers."),
        acts=("run-again",),
    ),
}

NOT_ENOUGH_SLOTS = Advice(
    N_("Not enough slots"),
    N_("Flink found no free slots for the job's tasks."),
    N_("Stop jobs that are not needed, lower the parallelism, or enlarge the cluster."),
    r"NoResourceAvailableException|Could not acquire the minimum required resources|ResourceInsufficient\.CU",
    acts=("run-again", "set-parallelism", "see-cluster"),
)
# The specific stands before the general.
FLINK = [
    Advice(
        N_("Kafka refuses the login"),
        N_("The SASL user, password or mechanism is wrong."),
        N_("Check the 'properties.sasl' and 'properties.security.protocol' options of the table."),
        r"SaslAuthenticationException",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("The consumer group lost its place"),
        N_("Kafka gave the partitions to another consumer of the same group before the offsets were committed."),
        N_(
            "Give each job its own 'properties.group.id', and raise 'properties.max.poll.interval.ms' if the job is slow."
        ),
        r"CommitFailedException|RebalanceInProgressException",
        acts=("edit",),
    ),
    Advice(
        N_("The Kafka partition has no leader"),
        N_("The broker that leads the partition is away or has just changed."),
        N_("Wait until the Kafka cluster is healthy, and run again."),
        r"NotLeaderOrFollowerException|LeaderNotAvailableException|NotEnoughReplicas",
        acts=("run-from-newest",),
    ),
    Advice(
        N_("The schema registry does not answer as needed"),
        N_("The registry has no such schema or subject, refuses the login, or can't be reached."),
        N_("Check the registry's address, the subject and the login in the WITH clause."),
        r"RestClientException|Could not find schema with id",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("Kafka denies access"),
        N_("The Kafka user has no right to the topic, group or transaction."),
        N_("Have the rights granted on the Kafka cluster."),
        r"(Topic|Group|TransactionalId|Cluster)AuthorizationException",
        acts=("run-again",),
    ),
    Advice(
        N_("The SSL handshake failed"),
        N_("The server's certificate is not trusted, or one side does not speak SSL."),
        N_("Check the truststore, the certificate and the port."),
        r"SSLHandshakeException|SslAuthenticationException|PKIX path building failed",
        acts=("edit",),
    ),
    Advice(
        N_("The Kafka topic does not exist"),
        N_("The brokers know no topic of this name."),
        N_("Create the topic or correct its name."),
        r"UnknownTopicOrPartition|Could not fetch partitions for|Topic \S+ not present in metadata",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("The Kafka offset is gone"),
        N_("The offset to read from is no longer kept by Kafka."),
        N_("Set 'properties.auto.offset.reset', choose another startup mode, or keep messages longer."),
        r"OffsetOutOfRangeException|NoOffsetForPartitionException",
        acts=("edit", "run-without-state"),
    ),
    Advice(
        N_("The Kafka message is too large"),
        N_("A record is larger than Kafka allows."),
        N_("Raise max.request.size of the producer and max.message.bytes of the topic, or write smaller rows."),
        r"RecordTooLargeException",
        acts=("edit",),
    ),
    Advice(
        N_("The Kafka producer was fenced"),
        N_("Another producer uses the same transactional id, or the transaction has expired."),
        N_(
            "Give each job its own 'sink.transactional-id-prefix' and make the transaction timeout longer than a checkpoint."
        ),
        r"ProducerFencedException|InvalidProducerEpochException|InvalidPidMappingException",
        acts=("edit", "run-from-newest"),
    ),
    Advice(
        N_("The Kafka transaction timeout is too long"),
        N_("The producer's transaction timeout exceeds what the broker allows."),
        N_("Lower 'properties.transaction.timeout.ms', or raise transaction.max.timeout.ms on the broker."),
        r"InvalidTxnTimeoutException|transaction timeout is larger than the maximum",
        acts=("edit",),
    ),
    Advice(
        N_("A Kafka message can't be read"),
        N_("The bytes of a message do not fit the declared format."),
        N_("Check the 'format' of the table, or let it skip such messages."),
        r"Failed to deserialize consumer record|Failed to deserialize Avro record|Corrupt (Debezium|Canal|Maxwell) JSON message",
        acts=("edit",),
    ),
    Advice(
        N_("MySQL hides its public key"),
        N_("The user logs in with caching_sha2_password without SSL, and the driver may not fetch the server's key."),
        N_("Add allowPublicKeyRetrieval=true to the 'url', or use SSL."),
        r"Public Key Retrieval is not allowed",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("PostgreSQL does not let this host in"),
        N_("pg_hba.conf has no entry for the host, user and database."),
        N_("Have an entry added in pg_hba.conf on the database server."),
        r"no pg_hba\.conf entry for host",
        acts=("run-again",),
    ),
    Advice(
        N_("PostgreSQL is not set up for CDC"),
        N_("Logical replication is off, or there is no replication slot left."),
        N_("Set wal_level to logical, raise max_replication_slots, or give the table a 'slot.name' of its own."),
        r"""wal_level|logical decoding requires|replication slot "[^"]+" (already exists|is active)|all replication slots are in use""",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("The row is too large for MySQL"),
        N_("A row or batch exceeds max_allowed_packet."),
        N_("Raise max_allowed_packet on the server, or lower 'sink.buffer-flush.max-rows'."),
        r"PacketTooBigException|Packet for query is too large",
        acts=("edit", "run-from-newest"),
    ),
    Advice(
        N_("The user lacks a right in the database"),
        N_("The user may log in, but not read or write this table."),
        N_("Have the right granted in the database."),
        r"permission denied for (table|relation|schema)|command denied to user|insufficient privilege|ORA-01031",
        acts=("run-again",),
    ),
    Advice(
        N_("A column is missing in the database"),
        N_("The database table lacks a column that the Flink table has."),
        N_("Make the columns of both tables agree."),
        r"""Unknown column '[^']+' in|column "[^"]+" (of relation "[^"]+" )?does not exist""",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("The CDC table has no primary key"),
        N_("Without a primary key, the connector can't read the table in chunks."),
        N_("Set 'scan.incremental.snapshot.chunk.key-column', or add a primary key."),
        r"chunk\.key-column",
        acts=("edit",),
    ),
    Advice(
        N_("The JDBC driver is missing"),
        N_("Flink has no driver for the database address."),
        N_("Have the driver's JAR installed on the cluster and check the 'url'."),
        r"No suitable driver",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("Replication rights are missing"),
        N_("The database user may not read the binlog."),
        N_("Grant SELECT, REPLICATION SLAVE and REPLICATION CLIENT to the user."),
        r"REPLICATION (CLIENT|SLAVE) privilege",
        acts=("run-again",),
    ),
    Advice(
        N_("The database refuses the login"),
        N_("The user or password is wrong, or the host may not connect."),
        N_("Check the user, the password and the rights in the database."),
        r"Access denied for user|password authentication failed for user",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("The database does not exist"),
        N_("The server has no database of this name."),
        N_("Create the database or correct the name in the 'url'."),
        r"""Unknown database '|database "[^"]+" does not exist""",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("The database table does not exist"),
        N_("The database has no table of this name."),
        N_("Create the table or correct 'table-name'."),
        r"""Table '[^']+' doesn't exist|relation "[^"]+" does not exist""",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("Duplicate key in the database"),
        N_("A row with the same key is already in the table."),
        N_("Declare the same PRIMARY KEY in Flink, so that rows are updated instead."),
        r"Duplicate entry '|duplicate key value violates unique constraint",
        acts=("edit",),
    ),
    Advice(
        N_("Deadlock or lock wait in the database"),
        N_("Other transactions hold the rows for too long."),
        N_("Lower the sink's parallelism or batch size, and look for long transactions in the database."),
        r"Deadlock found when trying to get lock|Lock wait timeout exceeded|ERROR: deadlock detected",
        acts=("set-parallelism", "run-from-newest"),
    ),
    Advice(
        N_("Too many database connections"),
        N_("The database takes no more connections."),
        N_("Lower the parallelism, or raise the limit of the database."),
        r"Too many connections|too many clients already",
        acts=("set-parallelism", "run-from-newest"),
    ),
    Advice(
        N_("A value does not fit its database column"),
        N_("A value is too long or out of range for the column."),
        N_("Enlarge the column, or cut the value in the query."),
        r"Data too long for column|value too long for type|Out of range value for column",
        acts=("edit",),
    ),
    Advice(
        N_("GTIDs have been purged"),
        N_("The server has removed transactions that the job still has to read."),
        N_("Keep the binlog longer, and run the job again without state."),
        r"purged (binary logs containing )?GTIDs|purged required binary logs",
        acts=("run-without-state",),
    ),
    Advice(
        N_("The binlog position has expired"),
        N_("The job was stopped for too long, or the server keeps its binlog too briefly."),
        N_("Keep the binlog longer, and run the job again without state."),
        r"trying to read binlog starting at[\s\S]*no longer available|Could not find first log file name in binary log index",
        acts=("run-without-state",),
    ),
    Advice(
        N_("Server id conflict"),
        N_("Another reader of the binlog uses the same server id."),
        N_("Give every table its own 'server-id' range."),
        r"same server_uuid/server_id as this",
        acts=("edit",),
    ),
    Advice(
        N_("The binlog is not in row format"),
        N_("MySQL CDC needs binlog_format ROW."),
        N_("Set binlog_format to ROW in MySQL and run again."),
        r"configured with binlog_format \S+ rather than ROW",
        acts=("run-again",),
    ),
    Advice(
        N_("The time zones differ"),
        N_("The MySQL server has another time zone than the table."),
        N_("Set 'server-time-zone' to that of the server."),
        r"has a timezone offset[\s\S]*does not match the configured timezone",
        acts=("edit",),
    ),
    Advice(
        N_("The object storage slows down"),
        N_("The object storage limits the rate of requests."),
        N_("Lower the parallelism or lengthen the checkpoint interval."),
        r"Error Code: SlowDown|Please reduce your request rate",
        acts=("set-parallelism", "set-checkpoints"),
    ),
    Advice(
        N_("S3 credentials are missing or wrong"),
        N_("Flink has no valid key for the object storage."),
        N_("Have valid access keys set on the cluster."),
        r"No AWS Credentials provided by|Unable to load AWS credentials|InvalidAccessKeyId|SignatureDoesNotMatch",
        acts=("run-again",),
    ),
    Advice(
        N_("The bucket does not exist"),
        N_("The object storage has no bucket of this name."),
        N_("Create the bucket or correct the path."),
        r"NoSuchBucket|The specified bucket does not exist",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("S3 denies access"),
        N_("The key has no right to the bucket or path."),
        N_("Have reading and writing granted for the path."),
        r"AmazonS3Exception: Access Denied|Error Code: AccessDenied|S3Exception: Access Denied",
        acts=("run-again",),
    ),
    Advice(
        N_("Kerberos refuses the login"),
        N_("There is no valid ticket or keytab for the secured cluster."),
        N_("Have keytab and principal checked in Flink's configuration."),
        r"GSS initiate failed|Failed to find any Kerberos tgt|LoginException",
        acts=("see-cluster", "run-again"),
    ),
    Advice(
        N_("HDFS denies access"),
        N_("The user that runs Flink may not read or write the path on HDFS."),
        N_("Have the rights of the path changed, or use another path."),
        r"hadoop\.security\.AccessControlException|AccessControlException: Permission denied",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("The quota of HDFS is used up"),
        N_("The directory may take no more files or bytes."),
        N_("Delete what is not needed, or have the quota raised."),
        r"(DSQuota|NSQuota|Quota)ExceededException",
        acts=("run-from-newest",),
    ),
    Advice(
        N_("HDFS is in safe mode"),
        N_("The NameNode takes no writes at the moment."),
        N_("Wait until HDFS has left safe mode, then run again."),
        r"SafeModeException|Name node is in safe mode",
        acts=("run-again",),
    ),
    Advice(
        N_("HDFS can't be reached"),
        N_("The NameNode does not answer."),
        N_("Check the address of the NameNode and the network."),
        r"Call From \S+ to \S+ failed on",
        acts=("run-again",),
    ),
    Advice(
        N_("Too many open files"),
        N_("A Flink process has used up its file handles."),
        N_("Have the limit of open files (ulimit -n) raised on the hosts, or lower the parallelism."),
        r"Too many open files",
        acts=("set-parallelism", "run-from-newest"),
    ),
    Advice(
        N_("No space left"),
        N_("A disk of the cluster is full."),
        N_("Free space or enlarge the disk."),
        r"No space left on device",
        acts=("run-from-newest",),
    ),
    Advice(
        N_("No more threads"),
        N_("A host allows no more threads or processes."),
        N_("Have the limit of processes (ulimit -u) raised, or lower the parallelism."),
        r"unable to create (new )?native thread",
        acts=("set-parallelism", "run-from-newest"),
    ),
    Advice(
        N_("The Java heap is full"),
        N_("A Flink process has used up its heap."),
        N_("Choose a larger spec or a higher parallelism, or keep less state."),
        r"OutOfMemoryError: Java heap space",
        acts=("set-parallelism", "run-from-newest"),
    ),
    Advice(
        N_("Metaspace is full"),
        N_("Too many classes are loaded, often after many submissions."),
        N_("Have the cluster restarted, or jvm-metaspace.size raised."),
        r"OutOfMemoryError: Metaspace",
        acts=("run-again", "see-cluster"),
    ),
    Advice(
        N_("Direct memory is full"),
        N_("Buffers of the network or of a connector need more memory."),
        N_("Have taskmanager.memory.task.off-heap.size raised."),
        r"OutOfMemoryError: (Direct buffer memory|Cannot reserve \d+ bytes of direct)",
        acts=("see-cluster", "run-from-newest"),
    ),
    Advice(
        N_("Garbage collection takes too long"),
        N_("The heap is almost full and Java does little but clean up."),
        N_("Choose a larger spec or keep less state."),
        r"GC overhead limit exceeded",
        acts=("set-parallelism", "run-from-newest"),
    ),
    Advice(
        N_("The container was killed for memory"),
        N_("A Flink process used more memory than its container has."),
        N_("Choose a larger spec or a higher parallelism."),
        r"[Ee]xit[ _]?[Cc]ode(?: is|[:=])? ?137|OOMKilled",
        acts=("set-parallelism", "run-from-newest"),
    ),
    Advice(
        N_("A Flink process died"),
        N_("A JobManager or TaskManager ended with a fatal error."),
        N_("Read the logs of JobManager and TaskManagers together."),
        r"Could not start cluster entrypoint|Fatal error occurred in the cluster entrypoint|produced an uncaught exception. Stopping the process|shutting down JVM",
        acts=("run-from-newest", "see-cluster"),
    ),
    Advice(
        N_("A message between Flink's processes is too large"),
        N_("A message exceeds pekko.ask framesize, often because of very large states or very many tasks."),
        N_("Have pekko.framesize raised on the cluster."),
        r"exceeds the maximum (akka|pekko) framesize|OversizedPayloadException",
        acts=("see-cluster",),
    ),
    Advice(
        N_("A task did not react to its cancellation"),
        N_("A task hung in code of a connector or function, so Flink ended its TaskManager."),
        N_("Look at the TaskManager's log for where it hung."),
        r"Task did not exit gracefully within",
        acts=("run-from-newest",),
    ),
    Advice(
        N_("Not enough network buffers"),
        N_("The job needs more network memory than a TaskManager has."),
        N_("Lower the parallelism, or have taskmanager.memory.network.max raised."),
        r"Insufficient number of network buffers",
        acts=("set-parallelism", "see-cluster"),
    ),
    Advice(
        N_("Managed memory is too small"),
        N_("An operator got less managed memory than it needs."),
        N_("Have taskmanager.memory.managed.size raised, or use fewer slots per TaskManager."),
        r"minBucketMemorySize is not valid|MemoryAllocationException",
        acts=("set-parallelism", "see-cluster"),
    ),
    Advice(
        N_("The state is too large for checkpoints in memory"),
        N_("Checkpoints are kept in the JobManager's memory and the state exceeds its limit."),
        N_("Have a checkpoint directory set for the cluster."),
        r"larger than the maximum permitted memory-backed state",
        acts=("set-properties",),
    ),
    Advice(
        N_("RocksDB reports an error"),
        N_("The state backend could not read or write its files."),
        N_("Look at disk space and rights of Flink's local directories."),
        r"RocksDBException",
        acts=("run-from-newest", "see-cluster"),
    ),
    Advice(
        N_("The checkpoint took too long"),
        N_("A checkpoint expired before all tasks had finished it."),
        N_("Look for back pressure, CPU and garbage collection, or raise the checkpoint timeout."),
        r"Checkpoint expired before completing",
        acts=("set-checkpoints", "set-properties"),
    ),
    Advice(
        N_("The checkpoint was declined"),
        N_("A task was not ready for the checkpoint."),
        N_("Wait until all tasks run steadily, and read the TaskManager's log."),
        r"Checkpoint was (declined|canceled)",
        acts=("run-from-newest",),
    ),
    Advice(
        N_("The checkpoint can't be finalized"),
        N_("The JobManager can't write the last file of a checkpoint."),
        N_("Check the checkpoint directory, its rights and its space."),
        r"Failure to finalize checkpoint|Could not finalize the pending checkpoint",
        acts=("run-from-newest", "see-cluster"),
    ),
    Advice(
        N_("Too many checkpoints failed"),
        N_("More checkpoints failed in a row than the job tolerates."),
        N_("Look at the failed checkpoints in the Flink dashboard."),
        r"Exceeded checkpoint tolerable failure threshold",
        acts=("set-checkpoints", "run-from-newest"),
    ),
    Advice(
        N_("The maximum parallelism was changed"),
        N_("The snapshot was made with another maximum parallelism."),
        N_("Restore the old value, lower the parallelism, or run without state."),
        r"Max parallelism mismatch between checkpoint/savepoint|of the restored state is lower than the configured parallelism",
        is_hopeless=True,
        acts=("set-parallelism", "set-properties", "run-without-state"),
    ),
    Advice(
        N_("Flink's files can't be fetched"),
        N_("A TaskManager can't load the job's JARs from the JobManager."),
        N_("Check the network and blob.server.port between the hosts."),
        r"Could not connect to BlobServer|Failed to fetch BLOB",
        acts=("run-again",),
    ),
    Advice(
        N_("ZooKeeper can't be reached"),
        N_("Flink's high availability has lost its connection to ZooKeeper."),
        N_("Check that ZooKeeper runs, and the network to it."),
        r"ConnectionLossException|KeeperErrorCode|Connection to ZooKeeper (suspended|lost)",
        acts=("see-cluster",),
    ),
    Advice(
        N_("The JobManager was lost"),
        N_("A TaskManager no longer hears the JobManager."),
        N_("Look at the JobManager's log and at the network."),
        r"eartbeat of JobManager|JobManager with id .* is no longer reachable",
        acts=("run-from-newest", "see-cluster"),
    ),
    Advice(
        N_("Something can't be serialized"),
        N_("A function holds an object that can't be sent to the TaskManagers."),
        N_("Make the field transient and create it in open()."),
        r"NotSerializableException|is not serializable",
    ),
    Advice(
        N_("A class was loaded twice"),
        N_("The same class comes from two class loaders."),
        N_("Keep its JAR only in Flink's lib folder, or only in the job."),
        r"ClassCastException: (?:class )?([\w.$]+) cannot be cast to (?:class )?\1(?![\w.$])|loader constraint violation",
    ),
    Advice(
        N_("Versions of JARs do not fit together"),
        N_("A class lacks a method that another JAR calls."),
        N_("Use a connector made for this Flink version, and remove doubled JARs."),
        r"NoSuchMethodError|NoSuchFieldError|AbstractMethodError|UnsupportedClassVersionError",
    ),
    Advice(
        N_("A value has an unexpected class"),
        N_("The code casts a value to a class that it isn't."),
        N_("Check the types in the code and the versions of the JARs."),
        r"ClassCastException",
    ),
    Advice(
        N_("The watermark is not on a timestamp"),
        N_("A watermark needs a column of type TIMESTAMP(3) or TIMESTAMP_LTZ(3)."),
        N_("Change the column's type, or compute one with TO_TIMESTAMP."),
        r"Invalid data type of time field for watermark|must be of type TIMESTAMP",
        acts=("edit",),
    ),
    Advice(
        N_("The sink's columns are named wrongly"),
        N_("INSERT names a column that the sink table does not have."),
        N_("Check the list of columns after INSERT INTO."),
        r"Unknown target column",
        acts=("edit",),
    ),
    Advice(
        N_("The user-defined function can't be created"),
        N_("Its class is missing, not public, or has no constructor without arguments."),
        N_("Check the class and have its JAR installed on the cluster."),
        r"Cannot instantiate user-defined function|Could not register temporary (catalog|system) function",
        acts=("edit",),
    ),
    Advice(
        N_("The column is ambiguous"),
        N_("Several tables have a column of this name."),
        N_("Write the table's name or alias before the column."),
        r"Column '.*' is ambiguous",
        acts=("edit",),
    ),
    Advice(
        N_("A column is missing in GROUP BY"),
        N_("A selected column is neither grouped nor aggregated."),
        N_("Add it to GROUP BY, or use an aggregate function."),
        r"is not being grouped",
        acts=("edit",),
    ),
    Advice(
        N_("Types do not fit"),
        N_("An operator or function is used with types it does not take."),
        N_("Cast the arguments to fitting types."),
        r"Cannot apply '.*' to arguments of type",
        acts=("edit",),
    ),
    Advice(
        N_("The temporal join lacks a key or time attribute"),
        N_("A temporal join needs time attributes, and a primary key in the versioned table."),
        N_("Declare PRIMARY KEY and WATERMARK, and join on the left table's time attribute."),
        r"Temporal table join currently only supports|Temporal Table Join requires",
        acts=("edit",),
    ),
    Advice(
        N_("A primary key is required"),
        N_("The table can take updates only with a primary key."),
        N_("Declare PRIMARY KEY (...) NOT ENFORCED in CREATE TABLE."),
        r"tables require to define a PRIMARY KEY|[Pp]lease declare primary key for sink table",
        acts=("edit",),
    ),
    Advice(
        N_("The query is not supported"),
        N_("Flink SQL can't run this kind of query on a stream."),
        N_("Rewrite it, for example with a time attribute or a window."),
        r"uses an unsupported SQL feature|Sort on a non-time-attribute field|Cannot generate a valid execution plan",
        acts=("edit",),
    ),
    Advice(
        N_("The table exists already"),
        N_("The script creates the same table twice."),
        N_("Remove one CREATE TABLE or give it another name."),
        r"Table \(or view\) .* already exists|Temporary table '.*' already exists",
        acts=("edit",),
    ),
    Advice(
        N_("There is nothing to run"),
        N_("The program defines no job."),
        N_("Add an INSERT statement, or call execute() in the program."),
        r"No operators defined in streaming topology|No jobs included in application",
        acts=("edit",),
    ),
    Advice(
        N_("The program calls System.exit"),
        N_("A program may not end the Java process of Flink."),
        N_("Remove System.exit from the program."),
        r"UserSystemExitException|attempted to exit JVM",
    ),
    Advice(
        N_("The JAR is not there"),
        N_("Flink no longer has the program's JAR file."),
        N_("Run again, so that it is uploaded anew."),
        r"Jar file .* does not exist",
        acts=("run-again",),
    ),
    Advice(
        N_("Flink does not know the job"),
        N_("The job has ended long ago, or the JobManager was restarted."),
        N_("Look at the job's status and run it again if needed."),
        r"FlinkJobNotFoundException|Could not find Flink job",
        acts=("run-again",),
    ),
    Advice(
        N_("A Flink property has a value that is not understood"),
        N_("The value of %(key)s has a form that Flink does not understand."),
        N_(
            "Correct it in the advanced properties, or in the SET statement that gives it; Flink's words say what is wrong with it."
        ),
        # Of an option in a WITH clause Flink tells the table, too.
        r"(?s)\A(?!.*(?:Invalid value for option|Table options are:)).*Could not parse value '.*?' for key '(?P<key>[^'\n]+)'",
        acts=("set-properties",),
    ),
    Advice(
        N_("An option has a value that is not understood"),
        N_("The value of an option in a WITH clause has the wrong form."),
        N_("Compare the value with the connector's documentation."),
        r"Invalid value for option|Could not parse value '",
        acts=("edit",),
    ),
    Advice(
        N_("Division by zero"),
        N_("An expression of the job divides by zero for at least one row."),
        N_("Guard the division, for example with NULLIF(divisor, 0), publish and run again."),
        r"ArithmeticException: (/ by zero|Division)",
        acts=("edit",),
    ),
    Advice(
        N_("A row can't be read"),
        N_("The input does not have the declared format."),
        N_(
            "Check columns and types of the source table, or let the format skip such rows ('csv.ignore-parse-errors' or 'json.ignore-parse-errors' = 'true')."
        ),
        r"Fail to deserialize|Failed to deserialize|JsonParseException",
        acts=("edit",),
    ),
    Advice(
        N_("A date or time can't be read"),
        N_("A text does not have the form of a date or time."),
        N_("Give the format to TO_TIMESTAMP, or use TRY_CAST."),
        r"DateTimeParseException|DateTimeException",
        acts=("edit",),
    ),
    Advice(
        N_("A value can't be converted"),
        N_("A text was cast into a number that it isn't."),
        N_("Use TRY_CAST, or filter such rows out before the cast."),
        r"NumberFormatException",
        acts=("edit",),
    ),
    Advice(
        N_("NULL in a NOT NULL column"),
        N_("The job writes NULL into a column that is declared NOT NULL."),
        N_("Filter the rows, give a default with COALESCE, or set table.exec.sink.not-null-enforcer to DROP."),
        r"EnforcerException",
        acts=("edit", "set-properties"),
    ),
    Advice(
        N_("SQL syntax error"),
        N_("Flink can't parse a statement."),
        N_("Look at the marked place: a missing comma, quote or keyword, or a reserved word without backticks."),
        r"SqlParserException|SQL parse failed|parser\.impl\.ParseException",
        acts=("edit",),
    ),
    Advice(
        N_("No such table"),
        N_("The script names the table %(table)s, which does not exist."),
        N_("Check the spelling, and that its CREATE TABLE stands before its use."),
        r"(?:Object '(?=[^'\n]*' not found)|Cannot find table ')(?P<table>[^'\n]*)'",
        acts=("edit",),
    ),
    Advice(
        N_("No such column"),
        N_("The script names the column %(column)s, which its table does not have."),
        N_("Check the spelling and the table it belongs to."),
        r"Column '(?P<column>[^'\n]*)' not found",
        acts=("edit",),
    ),
    Advice(
        N_("No such function"),
        N_("A function does not exist or is called with other types."),
        N_("Check its name and the types of its arguments."),
        r"No match found for function signature",
        acts=("edit",),
    ),
    Advice(
        N_("The connector is not installed"),
        N_('The cluster has no connector named "%(connector)s".'),
        N_(
            "Check the spelling of 'connector', or have its JAR installed in Flink's lib folder on every host of the cluster."
        ),
        r"(?:Cannot discover a connector using option: 'connector'='|Could not find any factory for identifier ')(?P<connector>[^'\n]*)'",
        acts=("edit",),
    ),
    Advice(
        N_("The format is not installed"),
        N_('The cluster has no format named "%(format)s".'),
        N_("Check the spelling of 'format', or have its JAR installed on the cluster."),
        r"Could not find any format factory for identifier '(?P<format>[^'\n]*)'",
        acts=("edit",),
    ),
    Advice(
        N_("A table option is missing or wrong"),
        N_("The WITH clause of a table lacks a required option or has one that is not known."),
        N_("Compare the WITH clause with the connector's documentation."),
        r"required options are missing|Unsupported options",
        acts=("edit",),
    ),
    Advice(
        N_("Query and sink do not fit together"),
        N_("The columns of the query and those of the sink table differ in number or type."),
        N_("List the columns in the sink's order and cast them to its types."),
        r"Incompatible types for sink column|Different number of columns",
        acts=("edit",),
    ),
    Advice(
        N_("The sink takes no updates"),
        N_("The query changes rows it has already written, and this sink can only append."),
        N_("Use a windowed aggregation, or a sink that takes updates (upsert-kafka, jdbc with a primary key)."),
        r"doesn't support consuming update",
        acts=("edit",),
    ),
    Advice(
        N_("The window needs a time attribute"),
        N_("The column of the window is a plain timestamp."),
        N_("Declare a WATERMARK for it in CREATE TABLE."),
        r"requires the timecol is a time attribute",
        acts=("edit",),
    ),
    Advice(
        N_("The snapshot does not fit the new version"),
        N_("The state in the snapshot has another shape than the query of this version."),
        N_("Run the old version from this snapshot, or run the new version without state."),
        r"StateMigrationException|must not be incompatible",
        is_hopeless=True,
        acts=("run-without-state", "see-snapshots"),
    ),
    Advice(
        N_("The snapshot holds state that the new version has no place for"),
        N_("An operator of the snapshot does not exist in this version."),
        N_('Run again with "allow non-restored state" to drop that state, or run the old version.'),
        r"Cannot map checkpoint/savepoint state",
        is_hopeless=True,
        acts=("run-skipping-state", "see-snapshots"),
    ),
    Advice(
        N_("The snapshot comes from a newer Flink"),
        N_("This Flink version can't read the snapshot."),
        N_("Run the job on the Flink version that made the snapshot, or without state."),
        r"Unrecognized checkpoint version number",
        is_hopeless=True,
        acts=("run-without-state", "see-snapshots"),
    ),
    Advice(
        N_("The snapshot's files are not there"),
        N_("Flink finds nothing at the snapshot's location."),
        N_("Choose another snapshot, or run without state."),
        r"Cannot find checkpoint or savepoint file",
        is_hopeless=True,
        acts=("run-from-newest", "run-without-state", "see-snapshots"),
    ),
    Advice(
        N_("No file system for this address"),
        N_("Flink has no plugin for the scheme of a path, for example s3."),
        N_("Have the file system plugin installed on every host of the cluster, or use another path."),
        r"Could not find a file system implementation for scheme",
        acts=("edit", "see-cluster"),
    ),
    Advice(
        N_("The snapshot can't be written"),
        N_("Flink may not write into the snapshot directory of the cluster."),
        N_("Check the directory and the rights of the user that runs Flink; an administrator sets it at the cluster."),
        r"Failed to create savepoint directory|Failed to create checkpoint storage|Failed to create directory for shared state",
        acts=("see-cluster", "stop-without-snapshot"),
    ),
    Advice(
        N_("Not all tasks run"),
        N_("A snapshot needs all tasks of the job to run; some are starting or restarting."),
        N_("Wait until the job runs steadily and try again, or stop it without a snapshot."),
        r"Not all required tasks are currently running",
        acts=("snapshot-again", "stop-without-snapshot"),
    ),
    NOT_ENOUGH_SLOTS,
    Advice(
        N_("A file or directory is missing"),
        N_("A source reads from a path that does not exist, or that Flink may not read."),
        N_("Check the path in the WITH clause on the hosts of the cluster, and its rights."),
        r"Could not enumerate file splits|FileNotFoundException|NoSuchFileException",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("The sink's path can't be written"),
        N_("Flink may not create the sink's directory or file."),
        N_("Check the path in the WITH clause and the rights of the user that runs Flink."),
        r"Failed to create the parent directory|AccessDeniedException|Permission denied",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("Out of memory"),
        N_("A TaskManager or the JobManager ran out of memory."),
        N_("Choose a larger spec or a higher parallelism, or keep less state."),
        r"OutOfMemoryError",
        acts=("set-parallelism", "run-from-newest"),
    ),
    Advice(
        N_("A TaskManager was lost"),
        N_("A TaskManager ended or stopped answering while it ran tasks of this job. Often its memory was full."),
        N_(
            "Its log and its output say why: OutOfMemoryError, or exit code 137 when it was killed for memory. Then keep less state (a window, or table.exec.state.ttl), or choose a larger spec or a higher parallelism."
        ),
        r"TaskManager with id .* is no longer reachable|remote task manager|[Hh]eartbeat of TaskManager|TaskManager .* re-registered",
        acts=("run-from-newest", "see-cluster"),
    ),
    Advice(
        N_("A class is missing"),
        N_("A class that the job names is not on Flink's class path."),
        N_("Check the class name, and have its JAR installed on the cluster."),
        r"ClassNotFoundException|NoClassDefFoundError",
        acts=("edit",),
    ),
    Advice(
        N_("Kafka can't be reached"),
        N_("The brokers did not answer, or the topic does not exist."),
        N_("Check addresses, network and topic name."),
        r"Timeout expired while fetching topic metadata|Timed out waiting for a node assignment|Failed to get metadata for topics",
        acts=("edit", "run-from-newest"),
    ),
    Advice(
        N_("The database connection is broken"),
        N_("The connection to the database was refused or lost."),
        N_("Check address, user, network and the server's idle time-out."),
        r"Communications link failure|unable to open JDBC writer",
        acts=("edit", "run-from-newest"),
    ),
    Advice(
        N_("A host name is unknown"),
        N_("The name of a host can't be resolved."),
        N_("Check its spelling and the DNS of the cluster's hosts."),
        r"UnknownHostException|No resolvable bootstrap urls",
        acts=("edit", "run-again"),
    ),
    Advice(
        N_("The connection was refused"),
        N_("Nothing listens at the address, or a firewall forbids it."),
        N_("Check address, port and firewall."),
        r"Connection refused",
        acts=("edit", "run-from-newest"),
    ),
    Advice(
        N_("The connection was reset"),
        N_("The other side closed the connection."),
        N_("Look at the log of the other side and at the network."),
        r"Connection reset",
        acts=("run-from-newest",),
    ),
]
FALLBACK = Advice(
    N_("Flink reports an error"), "", N_("The details hold the words of Flink and the full trace."), acts=("run-again",)
)
