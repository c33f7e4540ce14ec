"""Seals over the record of acts: their tables, and the triggers that let every settled row wait for its seal."""

from django.db import migrations, models

# Table -> when a row is settled. The same as in oceanus_console/audit.py.
AT_ONCE = ["workspaces_event", "jobs_operationstep", "jobs_problem", "jobs_version"]
LATER = {
    "jobs_operation": "{row}ended_at IS NOT NULL",
    "jobs_batch": "{row}ended_at IS NOT NULL",
    "jobs_batchitem": "{row}state NOT IN ('waiting', 'working')",
}
SEALS = "oceanus_console_seal"

TRIGGERS = (
    """
CREATE FUNCTION oceanus_console_await_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO oceanus_console_unsealed (table_name, row_id) VALUES (TG_TABLE_NAME, COALESCE(NEW.id, OLD.id));
    RETURN NULL;
END $$;
CREATE FUNCTION oceanus_console_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What is in % stays there as it is.', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
    + f"""
CREATE TRIGGER {SEALS}_stays BEFORE UPDATE OR DELETE ON {SEALS} FOR EACH ROW EXECUTE FUNCTION oceanus_console_refuse();
CREATE TRIGGER {SEALS}_is_never_emptied BEFORE TRUNCATE ON {SEALS} EXECUTE FUNCTION oceanus_console_refuse();
-- A version that never ran may be deleted: that it is gone is sealed as well.
CREATE TRIGGER jobs_version_gone_awaits_seal AFTER DELETE ON jobs_version FOR EACH ROW
    EXECUTE FUNCTION oceanus_console_await_seal();
CREATE TRIGGER workspaces_event_is_never_emptied BEFORE TRUNCATE ON workspaces_event
    EXECUTE FUNCTION oceanus_console_refuse();
"""
    + "".join(
        f"CREATE TRIGGER {table}_awaits_seal AFTER INSERT ON {table} FOR EACH ROW "
        "EXECUTE FUNCTION oceanus_console_await_seal();\n"
        for table in AT_ONCE
    )
    + "".join(
        f"CREATE TRIGGER {table}_awaits_seal AFTER INSERT OR UPDATE ON {table} FOR EACH ROW "
        f"WHEN ({condition.format(row='NEW.')}) EXECUTE FUNCTION oceanus_console_await_seal();\n"
        for table, condition in LATER.items()
    )
    # What was done before there were seals.
    + "".join(
        f"INSERT INTO oceanus_console_unsealed (table_name, row_id) SELECT '{table}', id FROM {table} "
        f"WHERE {LATER.get(table, 'TRUE').format(row='')} ORDER BY id;\n"
        for table in [*AT_ONCE, *LATER]
    )
)

REVERSE = (
    "".join(f"DROP TRIGGER {table}_awaits_seal ON {table};\n" for table in [*AT_ONCE, *LATER])
    + f"""
DROP TRIGGER jobs_version_gone_awaits_seal ON jobs_version;
DROP TRIGGER workspaces_event_is_never_emptied ON workspaces_event;
DROP TRIGGER {SEALS}_is_never_emptied ON {SEALS};
DROP TRIGGER {SEALS}_stays ON {SEALS};
DROP FUNCTION oceanus_console_await_seal();
DROP FUNCTION oceanus_console_refuse();
"""
)


class Migration(migrations.Migration):
    dependencies = [
        ("oceanus_console", "0001_heartbeat"),
        ("axes", "0010_accessattemptexpiration"),
        ("jobs", "0006_append_only_record"),
        ("workspaces", "0003_events_stay"),
    ]

    operations = [
        migrations.CreateModel(
            name="Unsealed",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("table_name", models.CharField(max_length=63)),
                ("row_id", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False, verbose_name="number")),
                ("at", models.DateTimeField(verbose_name="time")),
                ("previous", models.CharField(blank=True, max_length=64, verbose_name="digest of the one before")),
                ("columns", models.JSONField()),
                ("rows", models.JSONField()),
                ("digest", models.CharField(max_length=64, verbose_name="digest")),
            ],
            options={"verbose_name": "seal", "verbose_name_plural": "seals", "ordering": ["-number"]},
        ),
        migrations.CreateModel(
            name="FailedSignIn",
            fields=[],
            options={
                "verbose_name": "failed sign-in",
                "verbose_name_plural": "failed sign-ins",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("axes.accessattempt",),
        ),
        migrations.RunSQL(TRIGGERS, REVERSE),
    ]
