"""Let the database itself refuse an eleventh workspace of a cluster."""

from django.db import migrations

# The lock makes the second of two who bind at once wait, and count again.
FUNCTIONS = """
CREATE FUNCTION clusters_refuse_eleventh() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM clusters_cluster WHERE id = NEW.cluster_id FOR NO KEY UPDATE;
    IF (SELECT count(*) FROM clusters_clusterbinding WHERE cluster_id = NEW.cluster_id AND id IS DISTINCT FROM NEW.id) >= 10 THEN
        RAISE EXCEPTION 'A cluster is bound to at most 10 workspaces.' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER clusters_binding_at_most_ten BEFORE INSERT OR UPDATE ON clusters_clusterbinding
    FOR EACH ROW EXECUTE FUNCTION clusters_refuse_eleventh();
"""

REVERSE = """
DROP TRIGGER clusters_binding_at_most_ten ON clusters_clusterbinding;
DROP FUNCTION clusters_refuse_eleventh();
"""


class Migration(migrations.Migration):
    dependencies = [("clusters", "0002_addresses_and_maintenance")]

    operations = [migrations.RunSQL(FUNCTIONS, REVERSE)]
