"""Let the database itself keep the record of workspaces and clusters as it is (G9)."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION workspaces_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'A row of % never changes.', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER workspaces_event_stays BEFORE UPDATE OR DELETE ON workspaces_event
    FOR EACH ROW EXECUTE FUNCTION workspaces_refuse_change();
"""

REVERSE = """
DROP TRIGGER workspaces_event_stays ON workspaces_event;
DROP FUNCTION workspaces_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0002_events")]

    operations = [migrations.RunSQL(FUNCTIONS, REVERSE)]
