"""The editor: save, check, the second save, forbidden keys, and what a viewer gets."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from clusters.models import FlinkEndpoint
from jobs.models import Draft, Job
from jobs.operations import create_job
from tests.conftest import SQL
from tests.fake_flink import FakeFlink

HTMX = {"HX-Request": "true"}


def filled(**changes: Any) -> dict[str, Any]:
    return {
        "do": "save",
        "revision": 1,
        "sql": SQL.replace("\n", "\r\n") + "-- more",
        "parallelism": 3,
        "checkpoint_interval_seconds": 30,
        "jobmanager_spec": "0.5",
        "taskmanager_spec": "2",
        "properties": "# a comment\npipeline.max-parallelism: 256\n\ntable.exec.state.ttl: 1 d",
    } | changes


@pytest.fixture
def url(job: Job) -> str:
    return f"/jobs/{job.serial}/draft/"


def test_it_saves(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    answer = client.post(url, filled(), headers=HTMX)
    draft = Draft.objects.get()
    assert draft.sql == SQL + "-- more"
    assert (draft.parallelism, draft.revision, draft.saved_by) == (3, 2, alice)
    assert (str(draft.jobmanager_spec), str(draft.taskmanager_spec)) == ("0.50", "2.00")
    assert draft.properties == {"pipeline.max-parallelism": "256", "table.exec.state.ttl": "1 d"}
    assert "console:saved" in json.loads(answer.headers["HX-Trigger"])
    assert 'name="revision" value="2"' in answer.text
    assert 'name="sql"' not in answer.text


def test_it_saves_without_javascript(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    assert client.post(url, filled()).headers["Location"] == url
    assert client.post(url, filled(do="publish", revision=2)).headers["Location"] == f"/jobs/{job.serial}/publish/"


def test_it_shows_what_is_stored(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    client.post(url, filled())
    body = client.get(url).text
    assert "pipeline.max-parallelism: 256" in body
    assert '<option value="0.5" selected>' in body
    assert '<option value="2" selected>' in body
    assert 'name="revision" value="2"' in body


def test_publish_saves_first(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    answer = client.post(url, filled(do="publish"), headers=HTMX)
    assert Draft.objects.get().revision == 2
    assert "console:open-publish" in json.loads(answer.headers["HX-Trigger"])


def test_the_editor_saves_what_is_new_only(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    client.post(url, filled(), headers=HTMX)
    answer = client.post(url, filled(revision=2), headers=HTMX)
    assert 'name="revision" value="2"' in answer.text
    assert client.post(url, filled(revision=2, do="publish"), headers=HTMX).status_code == 200
    assert job.operations.filter(action="save").count() == 2
    assert client.post(url, filled(), headers=HTMX).status_code == 409


def test_publishing_tells_that_nothing_changed(client: Client, alice: User, job: Job, url: str) -> None:
    def dialog() -> str:
        return client.get(f"/jobs/{job.serial}/publish/").text

    client.force_login(alice)
    assert "nothing changed since v1" in dialog()
    client.post(url, filled())
    assert "nothing changed" not in dialog()
    assert client.post(f"/jobs/{job.serial}/publish/", {"note": "second"}).status_code == 302
    assert "nothing changed since v2" in dialog()
    # A detour leads back to the same.
    client.post(url, filled(revision=2, parallelism=4))
    client.post(url, filled(revision=3))
    assert "nothing changed since v2" in dialog()
    assert client.post(f"/jobs/{job.serial}/publish/", {"note": "third"}).status_code == 302


def test_the_second_save_overwrites_nothing(client: Client, alice: User, bob: User, job: Job, url: str) -> None:
    client.force_login(bob)
    client.post(url, filled(sql="-- of bob"))
    client.force_login(alice)
    answer = client.post(url, filled(sql="-- of alice", parallelism=9), headers=HTMX)
    assert answer.status_code == 409
    assert answer.headers["HX-Retarget"] == "#dialog"
    for part in ("bob", "of <del>", "of <ins>", "<ins>9</ins>"):
        assert part in answer.text.replace("-- ", "")
    assert Draft.objects.get().sql == "-- of bob"
    # Without JavaScript the page comes back with her text in the editor.
    answer = client.post(url, filled(sql="-- of alice"))
    assert answer.status_code == 409
    assert ">\n-- of alice</textarea>" in answer.text
    assert "bob" in answer.text
    client.post(url, filled(sql="-- of alice", over=2))
    assert Draft.objects.get().sql == "-- of alice"


def test_ones_own_save_in_another_tab_is_told_as_such(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    client.post(url, filled(sql="-- in one tab"))
    answer = client.post(url, filled(sql="-- in the other"), headers=HTMX)
    assert answer.status_code == 409
    assert "You saved this draft elsewhere in between" in answer.text
    assert "in another tab or window" in answer.text
    assert not re.search("[Ss]omebody|[Tt]heirs", answer.text)
    chinese = client.post(url, filled(sql="-- in the other"), headers=HTMX | {"Accept-Language": "zh-hans"}).text
    assert "未被覆盖。您编辑的内容" in chinese


@pytest.mark.parametrize(
    "key",
    [
        "kubernetes.container.image",
        "kubernetes.jobmanager.cpu",
        "taskmanager.cpu.cores",
        "kubernetes.taskmanager.cpu",
        "jobmanager.heap.size",
        "jobmanager.heap.mb",
        "jobmanager.memory.process.size",
        "taskmanager.heap.size",
        "taskmanager.heap.mb",
        "taskmanager.memory.process.size",
        "taskmanager.numberOfTaskSlots",
        "env.java.opts",
    ],
)
def test_forbidden_keys_are_refused_by_name(client: Client, alice: User, job: Job, url: str, key: str) -> None:
    client.force_login(alice)
    answer = client.post(url, filled(properties=f"{key}: 1"), headers=HTMX)
    assert answer.status_code == 422
    assert f"it can&#x27;t be set for a job: {key}" in answer.text
    assert Draft.objects.get().revision == 1


def test_the_variants_of_java_options_are_allowed(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    assert client.post(url, filled(properties="env.java.opts.taskmanager: -Xss1m"), headers=HTMX).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"properties": "no colon"},
        {"properties": "a: 1\na: 2"},
        {"properties": ": 1"},
        {"properties": "a: b\0"},
        {"sql": "a\0b"},
        {"sql": "a" * 200_001},
        {"parallelism": "0"},
        {"parallelism": "2049"},
        {"parallelism": "9" * 30},
        {"checkpoint_interval_seconds": "0"},
        {"taskmanager_spec": "3"},
        {"revision": "x"},
        {"revision": "9" * 30},
    ],
)
def test_wrong_values_are_told_at_the_field(
    client: Client, alice: User, job: Job, url: str, wrong: dict[str, str]
) -> None:
    client.force_login(alice)
    assert client.post(url, filled(**wrong), headers=HTMX).status_code == 422
    assert client.post(url, filled(**wrong)).status_code == 422
    assert Draft.objects.get().revision == 1


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("parallelism", "-1", "greater than or equal to 1."),
        ("parallelism", "0", "greater than or equal to 1."),
        ("parallelism", "2049", "less than or equal to 2048."),
        ("checkpoint_interval_seconds", "-1", "greater than or equal to 1."),
        ("checkpoint_interval_seconds", "3601", "less than or equal to 3600."),
    ],
)
def test_a_number_beyond_its_limit_is_told_the_true_one_once(
    client: Client, alice: User, job: Job, url: str, field: str, value: str, limit: str
) -> None:
    client.force_login(alice)
    answer = client.post(url, filled(**{field: value}), headers=HTMX)
    (error,) = answer.context["form"].errors[field]
    assert error.endswith(limit)


def test_a_script_that_is_too_long_is_told_how_long_it_may_be(client: Client, alice: User, url: str) -> None:
    client.force_login(alice)
    told = "The script has 200001 characters; it may have 200000 at most."
    assert told in client.post(url, filled(sql="a" * 200_001), headers=HTMX).text
    # A browser sends two characters for each line end; one is kept.
    assert client.post(url, filled(sql="a\r\n" * 100_000), headers=HTMX).status_code == 200


def test_specs_are_hidden_where_the_cluster_knows_whole_cus_only(
    client: Client, alice: User, job: Job, endpoint: FlinkEndpoint, url: str
) -> None:
    endpoint.cluster.supports_fine_grained = False
    endpoint.cluster.save()
    client.force_login(alice)
    assert "jobmanager_spec" not in client.get(url).text
    client.post(url, filled())
    assert str(Draft.objects.get().jobmanager_spec) == "1.00"


def test_check_finds_nothing(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    assert "Flink finds nothing wrong" in client.post(url, filled(do="check"), headers=HTMX).text
    assert Draft.objects.get().revision == 1


def test_check_marks_the_line(client: Client, alice: User, job: Job, url: str) -> None:
    client.force_login(alice)
    answer = client.post(url, filled(do="check", sql="SELECT 1;\nSELECT 'oops"), headers=HTMX)
    assert 'data-error-line="2"' in answer.text
    assert "never closed" in answer.text


def test_check_names_a_wrong_property_and_leads_to_its_field(
    client: Client, alice: User, job: Job, fake: FakeFlink, url: str
) -> None:
    fake.refuse_next_plan("java.lang.IllegalArgumentException: Could not parse value 'lots' for key 'a.b'.")
    client.force_login(alice)
    answer = client.post(url, filled(do="check", properties="a.b: lots"), headers=HTMX).text
    assert "The value of a.b has a form that Flink does not understand." in answer
    assert 'href="#id_properties"' in answer
    assert "data-error-line" not in answer


def test_check_without_an_answer_says_so(client: Client, alice: User, job: Job, fake: FakeFlink, url: str) -> None:
    FlinkEndpoint.objects.update(rest_url="http://127.0.0.1:9")
    client.force_login(alice)
    answer = client.post(url, filled(do="check"), headers=HTMX)
    assert answer.status_code == 200
    assert "Flink finds nothing wrong" not in answer.text


def test_a_new_job_has_an_empty_editor(client: Client, alice: User, job: Job, endpoint: FlinkEndpoint) -> None:
    new = create_job(alice, job.workspace, "new", endpoint.cluster, endpoint)
    client.force_login(alice)
    body = client.get(f"/jobs/{new.serial}/draft/").text
    assert "never saved" in body
    assert 'name="revision" value="0"' in body
    assert client.post(f"/jobs/{new.serial}/draft/", filled(revision=0), headers=HTMX).status_code == 200


def test_a_viewer_reads_and_may_not_save(client: Client, vera: User, job: Job, url: str) -> None:
    client.force_login(vera)
    body = client.get(url).text
    assert "readonly" in body
    assert 'value="save"' not in body
    assert client.post(url, filled()).status_code == 403


def test_strangers_get_nothing(client: Client, charlie: User, job: Job, url: str) -> None:
    client.force_login(charlie)
    assert client.get(url).status_code == 404
    assert client.post(url, filled()).status_code == 404
