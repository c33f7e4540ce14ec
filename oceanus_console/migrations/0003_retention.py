"""Let old rows of the record go where the console says since when it keeps them, and nothing else; note each that goes."""

from django.db import migrations, models

# Table -> the time that says how old a row is.
RECORD = {
    "workspaces_event": "at",
    "jobs_operation": "ended_at",
    "jobs_operationstep": "at",
    "jobs_problem": "created_at",
    "jobs_batch": "ended_at",
    "jobs_batchitem": "changed_at",
}
IN_JOBS = [table for table in RECORD if table.startswith("jobs_")]
REMOVALS = "oceanus_console_removal"

TRIGGERS = (
    """
CREATE FUNCTION oceanus_console_keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz := NULLIF(current_setting('oceanus.records_are_kept_since', TRUE), '')::timestamptz;
    is_old boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM gone) THEN
        RETURN NULL;
    END IF;
    -- Whatever the console says: what is younger than 30 days stays.
    EXECUTE format('SELECT bool_and(COALESCE(%I < $1, FALSE)) FROM gone', TG_ARGV[0])
        INTO is_old USING LEAST(since, now() - interval '30 days');
    IF since IS NULL OR NOT is_old THEN
        RAISE EXCEPTION 'What is in % stays there.', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    INSERT INTO oceanus_console_removal (at, kept_since, table_name, first, last, ids)
        SELECT now(), since, TG_TABLE_NAME, min(id), max(id), jsonb_agg(id ORDER BY id) FROM gone;
    RETURN NULL;
END $$;
"""
    + "".join(f"DROP TRIGGER {table}_is_kept ON {table};\n" for table in IN_JOBS)
    + """
DROP TRIGGER workspaces_event_stays ON workspaces_event;
CREATE TRIGGER workspaces_event_stays BEFORE UPDATE ON workspaces_event
    FOR EACH ROW EXECUTE FUNCTION workspaces_refuse_change();
"""
    + "".join(
        f"CREATE TRIGGER {table}_is_kept AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone "
        f"FOR EACH STATEMENT EXECUTE FUNCTION oceanus_console_keep('{column}');\n"
        for table, column in RECORD.items()
    )
    + f"""
CREATE TRIGGER {REMOVALS}_stays BEFORE UPDATE OR DELETE ON {REMOVALS}
    FOR EACH ROW EXECUTE FUNCTION oceanus_console_refuse();
CREATE TRIGGER {REMOVALS}_is_never_emptied BEFORE TRUNCATE ON {REMOVALS} EXECUTE FUNCTION oceanus_console_refuse();
-- Only by the trigger above: nobody else can claim that a row was removed because of its age.
CREATE TRIGGER {REMOVALS}_is_written_by_removing BEFORE INSERT ON {REMOVALS}
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION oceanus_console_refuse();
CREATE TRIGGER {REMOVALS}_awaits_seal AFTER INSERT ON {REMOVALS}
    FOR EACH ROW EXECUTE FUNCTION oceanus_console_await_seal();
"""
)

REVERSE = (
    "".join(f"DROP TRIGGER {table}_is_kept ON {table};\n" for table in RECORD)
    + "".join(
        f"CREATE TRIGGER {table}_is_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION jobs_refuse_removal();\n"
        for table in IN_JOBS
    )
    + f"""
DROP TRIGGER workspaces_event_stays ON workspaces_event;
CREATE TRIGGER workspaces_event_stays BEFORE UPDATE OR DELETE ON workspaces_event
    FOR EACH ROW EXECUTE FUNCTION workspaces_refuse_change();
DROP TRIGGER {REMOVALS}_awaits_seal ON {REMOVALS};
DROP TRIGGER {REMOVALS}_is_written_by_removing ON {REMOVALS};
DROP TRIGGER {REMOVALS}_is_never_emptied ON {REMOVALS};
DROP TRIGGER {REMOVALS}_stays ON {REMOVALS};
DROP FUNCTION oceanus_console_keep();
"""
)


class Migration(migrations.Migration):
    dependencies = [
        ("oceanus_console", "0002_seals"),
        ("jobs", "0006_append_only_record"),
        ("workspaces", "0003_events_stay"),
    ]

    operations = [
        migrations.CreateModel(
            name="Removal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(verbose_name="time")),
                ("kept_since", models.DateTimeField(verbose_name="records are kept since")),
                ("table_name", models.CharField(max_length=63, verbose_name="table")),
                ("first", models.BigIntegerField()),
                ("last", models.BigIntegerField()),
                ("ids", models.JSONField(verbose_name="removed rows")),
            ],
            options={
                "verbose_name": "removal of old records",
                "verbose_name_plural": "removals of old records",
                "ordering": ["-pk"],
                "indexes": [models.Index(fields=["table_name", "last"], name="oceanus_console_removal_last")],
            },
        ),
        migrations.RunSQL(TRIGGERS, REVERSE),
    ]
