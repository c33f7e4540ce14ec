"""Let the database itself keep published versions and the record of ended operations as they are (G7, G9)."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION jobs_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'A row of % never changes once it is settled.', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER jobs_version_never_changes BEFORE UPDATE ON jobs_version
    FOR EACH ROW EXECUTE FUNCTION jobs_refuse_update();
CREATE TRIGGER jobs_operation_stays_ended BEFORE UPDATE ON jobs_operation
    FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION jobs_refuse_update();
"""

REVERSE = """
DROP TRIGGER jobs_version_never_changes ON jobs_version;
DROP TRIGGER jobs_operation_stays_ended ON jobs_operation;
DROP FUNCTION jobs_refuse_update();
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]

    operations = [migrations.RunSQL(FUNCTIONS, REVERSE)]
