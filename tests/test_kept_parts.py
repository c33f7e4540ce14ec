"""Parts of pages that were rendered before, icons, and queries that were compiled before: always what they would be anew."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template import Context, Template, TemplateSyntaxError
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone, translation

from clusters.models import Cluster, FlinkEndpoint
from jobs.models import Folder, Job, Problem, Run
from jobs.states import RunEnd, Status
from jobs.views.rows import CELLS, ROW, cells_of, rows_of
from tests.conftest import Console, make_job
from workspaces.kept import in_pieces, kept
from workspaces.models import Member, Role, Workspace


def test_a_part_is_rendered_anew_for_every_value_and_language(db: None) -> None:
    def told(**values: Any) -> str:
        given: dict[str, Any] = {"entries": 2, "number": 1, "last": 1, "pages": [1]} | values
        return kept("_pages.html", given, {"late_rest": "q=a&b=<c>&", "late_rest_of_sizes": ""})

    assert "2 entries" in told()
    assert "3 entries" in told(entries=3)
    with translation.override("zh-hans"):
        assert "2 条" in told()
    assert "2 entries" in told()
    assert 'href="?q=a&amp;b=&lt;c&gt;&amp;page=2"' in told(last=2, pages=[1, 2])


def test_a_part_takes_plain_values_only(job: Job) -> None:
    with pytest.raises(TypeError):
        kept("_pages.html", {"entries": [{"job": job}]}, {})


def test_an_icon_is_drawn_as_by_its_package() -> None:
    from_package = render_icon("{% load lucide %}{% lucide 'play' size=16 aria_hidden='true' %}")
    assert from_package.startswith("<svg")
    assert 'width="16"' in from_package
    assert 'aria-hidden="true"' in from_package
    with pytest.raises(TemplateSyntaxError):
        render_icon("{% load lucide %}{% lucide name %}")


def render_icon(text: str) -> str:
    return Template(text).render(Context({"name": "play"}))


# What the frame of a page shows, changed behind its back.
FRAME: dict[str, Any] = {
    "renamed-space": lambda: Workspace.objects.update(name="renamed-space"),
    "one-more-space": lambda: Member.objects.create(
        workspace=Workspace.objects.create(name="one-more-space"), user=User.objects.get(username="alice")
    ),
    "renamed-alice": lambda: User.objects.filter(username="alice").update(username="renamed-alice"),
    "/admin/": lambda: User.objects.filter(username="alice").update(is_staff=True),
    "new-folder-name": lambda: Folder.objects.create(workspace=Workspace.objects.get(), name="new-folder-name"),
    "0 / 777": lambda: Cluster.objects.update(total_cu=777),
    'href="/clusters/"': lambda: User.objects.filter(username="alice").update(is_superuser=True),
}


@pytest.mark.parametrize("told", FRAME)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_frame_shows_every_change_at_once(client: Client, alice: User, job: Job, told: str, language: str) -> None:
    client.force_login(alice)
    url = f"/spaces/{job.workspace.serial}/jobs/"
    assert told not in client.get(url, headers={"Accept-Language": language}).text
    FRAME[told]()
    assert told in client.get(url, headers={"Accept-Language": language}).text


def test_tokens_names_and_addresses_are_each_ones_own(client: Client, alice: User, bob: User, job: Job) -> None:
    url = f"/spaces/{job.workspace.serial}/jobs/"
    pages = []
    for user, query in ((alice, "?q=onlyalice"), (bob, "?q=onlybob")):
        client.force_login(user)
        pages.append(client.get(url + query).text)
        assert f'<span class="cut">{user.username}</span>' in pages[-1]
        assert f'name="next" value="{url}{query}"' in pages[-1]
    tokens = [page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0] for page in pages]
    assert len(tokens[0]) == len(tokens[1]) == 64
    assert tokens[0] != tokens[1]
    assert "onlybob" not in pages[0]
    assert "onlyalice" not in pages[1]


def test_a_row_by_its_look_is_the_row_as_its_template_writes_it(console: Console, alice: User) -> None:
    """A look is made of the values in its key alone. If a template showed anything else, it would be missing here."""
    for status, name in ((Status.FAILED, "failed"), (Status.STOPPED, "<b>&amp;")):
        job = make_job(alice, console.job.workspace, console.endpoint, "plain")
        why = Problem.objects.create(code="flink", summary="java.lang.ArithmeticException: / by zero")
        Job.objects.filter(pk=job.pk).update(
            name=name,
            status=status,
            problem=why if status == Status.FAILED else None,
            updated_at="2001-02-03T04:05:06Z",
        )
    started = console.start().started_at or timezone.now()
    Run.objects.update(started_at=started, tasks_up=1, tasks_total=4)
    for change in ({}, {"ended_at": timezone.now(), "end": RunEnd.FINISHED, "started_at": None}):
        Run.objects.update(**change)
        for unreachable in (None, timezone.now()):
            FlinkEndpoint.objects.update(unreachable_since=unreachable)
            for language in ("en", "zh-hans"):
                for can_operate in (True, False):
                    with translation.override(language):
                        compare_rows(can_operate)


def compare_rows(can_operate: bool) -> None:
    jobs = list(Job.objects.for_rows().order_by("pk"))
    pks, serials = [job.pk for job in jobs], [job.serial for job in jobs]
    cells = sorted(cells_of(jobs[0].workspace_id, serials, can_operate), key=lambda row: row.pk)
    for template, rows in ((ROW, rows_of(pks, can_operate)), (CELLS, cells)):
        assert [row.pk for row in rows] == pks
        for job, row in zip(jobs, rows, strict=True):
            context = {"job": job, "can_operate": can_operate, "oob": template == CELLS}
            plain = "".join(in_pieces(render_to_string(template, context)))
            assert without_run_time(row.html) == without_run_time(plain)


def without_run_time(html: str) -> str:
    before, mark, after = html.partition("data-since=")
    return before + mark + after[after.find("<") :] if mark else html


def test_rows_that_look_alike_are_rendered_once(client: Client, alice: User, job: Job, endpoint: FlinkEndpoint) -> None:
    for n in range(5):
        make_job(alice, job.workspace, endpoint, f"alike-{n}")
    FlinkEndpoint.objects.update(flink_version="9.8.7")  # so that nobody has seen this look before
    client.force_login(alice)
    answer = client.get(f"/spaces/{job.workspace.serial}/jobs/")
    assert [template.name for template in answer.templates].count(ROW) == 1
    assert answer.text.count("<tr>") == 7


def test_a_viewer_gets_no_buttons_around_the_rows(client: Client, alice: User, vera: User, job: Job) -> None:
    url = f"/spaces/{job.workspace.serial}/jobs/"
    client.force_login(alice)
    assert "batch-menu" in client.get(url).text
    client.force_login(vera)
    assert "batch-menu" not in client.get(url).text
    Member.objects.filter(user=vera).update(role=Role.DEVELOPER)
    assert "batch-menu" in client.get(url).text
