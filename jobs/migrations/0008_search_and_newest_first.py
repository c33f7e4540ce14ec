"""Find jobs by parts of their names through an index, and the newest of a status or folder without sorting."""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
-- Its COST keeps the planner from calling it for every row instead of asking the index.
-- All pieces of a text of `shortest` to three letters, in capitals, each behind the workspace's number: so one index serves all workspaces.
CREATE FUNCTION jobs_pieces(workspace bigint, words text, shortest integer) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 10000 AS $$
    SELECT coalesce(array_agg(DISTINCT workspace || ':' || substr(upper(words), place, length)), '{}')
    FROM generate_series(shortest, 3) AS length, generate_series(1, char_length(upper(words)) - length + 1) AS place
$$;

CREATE FUNCTION jobs_enter_for_search() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO jobs_searchentry (job_id, workspace_id, words)
        SELECT id, workspace_id, name || E'\\n' || serial FROM made;
    RETURN NULL;
END $$;

CREATE FUNCTION jobs_enter_anew_for_search() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE jobs_searchentry SET workspace_id = NEW.workspace_id, words = NEW.name || E'\\n' || NEW.serial
        WHERE job_id = NEW.id;
    RETURN NULL;
END $$;

INSERT INTO jobs_searchentry (job_id, workspace_id, words) SELECT id, workspace_id, name || E'\\n' || serial FROM jobs_job;
CREATE INDEX jobs_searchentry_pieces ON jobs_searchentry USING gin (jobs_pieces(workspace_id, words, 2));

CREATE TRIGGER jobs_job_entered_for_search AFTER INSERT ON jobs_job REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION jobs_enter_for_search();
CREATE TRIGGER jobs_job_entered_anew_for_search AFTER UPDATE OF name, serial, workspace_id ON jobs_job FOR EACH ROW
    WHEN ((OLD.name, OLD.serial, OLD.workspace_id) IS DISTINCT FROM (NEW.name, NEW.serial, NEW.workspace_id))
    EXECUTE FUNCTION jobs_enter_anew_for_search();
"""

REVERSE = """
DROP TRIGGER jobs_job_entered_anew_for_search ON jobs_job;
DROP TRIGGER jobs_job_entered_for_search ON jobs_job;
DROP INDEX jobs_searchentry_pieces;
DROP FUNCTION jobs_enter_anew_for_search();
DROP FUNCTION jobs_enter_for_search();
DROP FUNCTION jobs_pieces(bigint, text, integer);
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_pauses_and_descriptions"), ("workspaces", "0005_access_key_events")]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="folder",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="jobs",
                to="jobs.folder",
                verbose_name="folder",
            ),
        ),
        migrations.RemoveIndex(model_name="job", name="jobs_job_by_status"),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["workspace", "status", "-updated_at"], name="jobs_job_newest_by_status"),
        ),
        migrations.AddIndex(
            model_name="job", index=models.Index(fields=["folder", "-updated_at"], name="jobs_job_newest_in_folder")
        ),
        migrations.CreateModel(
            name="SearchEntry",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="search_entry",
                        serialize=False,
                        to="jobs.job",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="workspaces.workspace",
                    ),
                ),
                ("words", models.TextField()),
            ],
        ),
        migrations.RunSQL(FORWARD, REVERSE),
    ]
