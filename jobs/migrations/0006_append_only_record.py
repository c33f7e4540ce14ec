"""Let nobody, whatever the console's code does, take back or rewrite the record of what was done to jobs (G9)."""

from django.db import migrations

# What is inserted once and stays.
STAY = ["jobs_operationstep", "jobs_problem"]
# What is never removed. Ended operations and versions are kept from changes since 0002.
KEPT = ["jobs_operation", "jobs_batch", "jobs_batchitem"]
# A version that never ran may be deleted, but not all at once.
NEVER_EMPTIED = [*STAY, *KEPT, "jobs_version"]

FUNCTIONS = (
    """
CREATE FUNCTION jobs_refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What is in % stays there.', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
    + "".join(
        f"CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION jobs_refuse_update();\n"
        for table in STAY
    )
    + "".join(
        f"CREATE TRIGGER {table}_is_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION jobs_refuse_removal();\n"
        for table in [*STAY, *KEPT]
    )
    + "".join(
        f"CREATE TRIGGER {table}_is_never_emptied BEFORE TRUNCATE ON {table} EXECUTE FUNCTION jobs_refuse_removal();\n"
        for table in NEVER_EMPTIED
    )
    + """
-- While an operation is open it moves on; who asked for what, and when, is settled from the start.
CREATE TRIGGER jobs_operation_was_asked BEFORE UPDATE ON jobs_operation FOR EACH ROW
    WHEN ((OLD.serial, OLD.job_id, OLD.action, OLD.requested_by_id, OLD.created_at)
          IS DISTINCT FROM (NEW.serial, NEW.job_id, NEW.action, NEW.requested_by_id, NEW.created_at))
    EXECUTE FUNCTION jobs_refuse_update();
CREATE TRIGGER jobs_batch_stays_ended BEFORE UPDATE ON jobs_batch FOR EACH ROW
    WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION jobs_refuse_update();
CREATE TRIGGER jobs_batchitem_stays_ended BEFORE UPDATE ON jobs_batchitem FOR EACH ROW
    WHEN (OLD.state NOT IN ('waiting', 'working')) EXECUTE FUNCTION jobs_refuse_update();
"""
)

REVERSE = (
    "".join(f"DROP TRIGGER {table}_stays ON {table};\n" for table in STAY)
    + "".join(f"DROP TRIGGER {table}_is_kept ON {table};\n" for table in [*STAY, *KEPT])
    + "".join(f"DROP TRIGGER {table}_is_never_emptied ON {table};\n" for table in NEVER_EMPTIED)
    + """
DROP TRIGGER jobs_operation_was_asked ON jobs_operation;
DROP TRIGGER jobs_batch_stays_ended ON jobs_batch;
DROP TRIGGER jobs_batchitem_stays_ended ON jobs_batchitem;
DROP FUNCTION jobs_refuse_removal();
"""
)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_restore_points_and_recovery")]

    operations = [migrations.RunSQL(FUNCTIONS, REVERSE)]
