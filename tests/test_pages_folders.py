"""The tree of folders beside the list, its dialogs, and where a job is put."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs import operations
from jobs.models import Folder, Job
from tests.conftest import make_job
from workspaces.models import Workspace

HTMX = {"HX-Request": "true"}


@pytest.fixture
def url(workspace: Workspace) -> str:
    return f"/spaces/{workspace.serial}/jobs/"


@pytest.fixture
def folders(alice: User, workspace: Workspace) -> dict[str, Folder]:
    """A tree: trade > spot > fast, and risk."""
    trade = operations.create_folder(alice, workspace, "trade", None)
    spot = operations.create_folder(alice, workspace, "spot", trade)
    fast = operations.create_folder(alice, workspace, "fast", spot)
    risk = operations.create_folder(alice, workspace, "risk", None)
    return {"trade": trade, "spot": spot, "fast": fast, "risk": risk}


def names_in(answer: Any) -> list[str]:
    return sorted(job.name for job in answer.context["page"])


def test_the_tree_counts_jobs_with_those_below(
    client: Client, alice: User, job: Job, folders: dict[str, Folder], endpoint: Any, url: str
) -> None:
    operations.move_job(alice, job, folders["fast"])
    operations.move_job(alice, make_job(alice, job.workspace, endpoint, "payments"), folders["trade"])
    make_job(alice, job.workspace, endpoint, "loose")
    gone = make_job(alice, job.workspace, endpoint, "gone")
    operations.move_job(alice, gone, folders["risk"])
    operations.delete(alice, gone)
    client.force_login(alice)
    tree = client.get(url).context["tree"]
    assert tree.count == 3
    assert {one.name: one.count for one in tree} == {"trade": 2, "spot": 1, "fast": 1, "risk": 0}
    assert [one.name for one in tree] == ["risk", "trade", "spot", "fast"]


def test_a_folder_shows_its_jobs_and_those_below(
    client: Client, alice: User, job: Job, folders: dict[str, Folder], endpoint: Any, url: str
) -> None:
    operations.move_job(alice, job, folders["fast"])
    make_job(alice, job.workspace, endpoint, "loose")
    client.force_login(alice)
    answer = client.get(url, {"folder": folders["trade"].serial})
    assert names_in(answer) == ["orders"]
    assert answer.context["summary"]["total"] == 1
    assert 'aria-current="true"' in answer.text
    assert names_in(client.get(url, {"folder": folders["risk"].serial})) == []
    assert "This folder is empty" in client.get(url, {"folder": folders["risk"].serial}).text
    for nothing in ("root", "", "folder-nonsense", "\0"):
        assert names_in(client.get(url, {"folder": nothing})) == ["loose", "orders"]


def test_the_tree_is_open_down_to_the_current_folder(
    client: Client, alice: User, folders: dict[str, Folder], url: str
) -> None:
    client.force_login(alice)
    tree = client.get(url, {"folder": folders["fast"].serial}).context["tree"]
    assert [one.name for one in tree if one.is_open] == ["trade", "spot", "fast"]


def test_the_folders_cost_no_query(
    client: Client, alice: User, job: Job, folders: dict[str, Folder], url: str, django_assert_num_queries: Any
) -> None:
    for number in range(50):
        operations.create_folder(alice, job.workspace, f"f{number}", folders["risk"])
    operations.move_job(alice, job, folders["risk"])
    client.force_login(alice)
    with django_assert_num_queries(7):
        client.get(url, {"folder": folders["risk"].serial})


def test_the_poll_brings_new_counts(
    client: Client, alice: User, job: Job, folders: dict[str, Folder], url: str
) -> None:
    client.force_login(alice)
    operations.move_job(alice, job, folders["risk"])
    body = client.get(url + "poll/", {"seen": "x", "row": job.serial}).text
    assert f'id="count-{folders["risk"].serial}" hx-swap-oob="true">1<' in body


def test_a_poll_tells_counts_that_the_page_does_not_show_yet(
    client: Client, alice: User, job: Job, folders: dict[str, Folder], url: str
) -> None:
    client.force_login(alice)
    shown = client.get(url).context["counted"]
    asked = {"seen": "x", "counted": shown}
    body = client.get(url + "poll/", asked | {"row": job.serial}).text
    assert f'id="status-{job.serial}"' in body
    assert 'id="count-' not in body
    assert f"counted={shown}&amp;" in body
    operations.move_job(alice, job, folders["risk"])
    body = client.get(url + "poll/", asked).text
    assert f'id="count-{folders["risk"].serial}" hx-swap-oob="true">1<' in body
    assert f"counted={shown}&amp;" not in body
    # Beside a part that is swapped in, what was counted before goes on to be shown.
    part = client.get(url, headers={"HX-Request": "true", "HX-Target": "listing"}).text
    assert "counted=&amp;" in part


def test_a_page_has_the_menu_of_the_current_folder_and_what_the_others_are_made_of(
    client: Client, alice: User, vera: User, folders: dict[str, Folder], url: str
) -> None:
    client.force_login(alice)
    page = client.get(url, {"folder": folders["spot"].serial}).text
    assert f'href="/folders/{folders["spot"].serial}/rename/"' in page
    assert 'href="/folders/THIS-FOLDER/rename/"' in page
    assert page.count("/rename/") == 4  # an address and the same for htmx, of each of the two
    assert page.count('popovertarget="more-folder-') == 4
    client.force_login(vera)
    assert "/rename/" not in client.get(url, {"folder": folders["spot"].serial}).text


def test_it_creates_a_folder(client: Client, alice: User, workspace: Workspace, folders: dict[str, Folder]) -> None:
    client.force_login(alice)
    address = f"/spaces/{workspace.serial}/folders/new/"
    assert "Parent folder" in client.get(address, {"parent": folders["risk"].serial}).text
    answer = client.post(address, {"name": "new", "parent": folders["risk"].serial})
    made = Folder.objects.get(name="new")
    assert made.parent == folders["risk"]
    assert answer.headers["Location"].endswith(f"?folder={made.serial}")
    again = client.post(address, {"name": "new", "parent": folders["risk"].serial}, headers=HTMX)
    assert again.status_code == 422
    assert "already a folder with this name" in again.text


def test_it_renames_a_folder(client: Client, alice: User, folders: dict[str, Folder]) -> None:
    client.force_login(alice)
    address = f"/folders/{folders['spot'].serial}/rename/"
    client.post(address, {"name": "margin"})
    assert Folder.objects.get(pk=folders["spot"].pk).name == "margin"
    assert client.post(address, {"name": "a b"}).status_code == 422


def test_it_moves_a_folder_but_not_into_itself(client: Client, alice: User, folders: dict[str, Folder]) -> None:
    client.force_login(alice)
    address = f"/folders/{folders['trade'].serial}/move/"
    body = client.get(address).text
    assert "risk" in body
    assert folders["fast"].serial not in body
    answer = client.post(address, {"parent": folders["fast"].serial})
    assert answer.status_code == 422
    assert "into itself" in answer.text
    client.post(address, {"parent": folders["risk"].serial})
    assert Folder.objects.get(pk=folders["trade"].pk).parent == folders["risk"]


def test_it_deletes_an_empty_folder_only(client: Client, alice: User, folders: dict[str, Folder]) -> None:
    client.force_login(alice)
    answer = client.post(f"/folders/{folders['trade'].serial}/delete/")
    assert answer.status_code == 422
    assert "The folder is not empty" in answer.text
    answer = client.post(f"/folders/{folders['fast'].serial}/delete/")
    assert answer.headers["Location"].endswith(f"?folder={folders['spot'].serial}")
    assert not Folder.objects.filter(pk=folders["fast"].pk).exists()


def test_it_moves_a_job(client: Client, alice: User, job: Job, folders: dict[str, Folder]) -> None:
    client.force_login(alice)
    client.post(f"/jobs/{job.serial}/move/", {"folder": folders["risk"].serial})
    assert Job.objects.get().folder == folders["risk"]
    client.post(f"/jobs/{job.serial}/move/", {"folder": ""})
    assert Job.objects.get().folder is None
    for page in (f"/jobs/{job.serial}/operations/", f"/spaces/{job.workspace.serial}/operations/"):
        assert "<dt>Folder</dt><dd>Job list</dd>" in client.get(page).text


def test_a_job_tells_in_which_folder_it_is(client: Client, vera: User, job: Job, folders: dict[str, Folder]) -> None:
    Job.objects.update(folder=folders["spot"])
    client.force_login(vera)
    page = client.get(f"/jobs/{job.serial}/").text
    links = [f'?folder={folders[name].serial}">{name}</a>' for name in ("trade", "spot")]
    assert page.index("Job list</a>") < page.index(links[0]) < page.index(links[1])


def test_too_long_a_name_is_told_of_once(
    client: Client, alice: User, job: Job, endpoint: Any, url: str, folders: dict[str, Folder]
) -> None:
    client.force_login(alice)
    rest = {"endpoint": endpoint.pk, "cluster": job.cluster.serial}
    for address in (f"{url}new/", f"/jobs/{job.serial}/rename/", f"/jobs/{job.serial}/copy/"):
        answer = client.post(address, {"name": "x" * 50, **rest})
        assert answer.status_code == 422
        (error,) = answer.context["form"].errors["name"]
        assert error.startswith("Use 1 to 49 characters"), address
    assert client.post(f"{url}new/", {"name": "x" * 49, **rest}).status_code == 302


def test_it_renames_a_job(client: Client, alice: User, job: Job, endpoint: Any) -> None:
    make_job(alice, job.workspace, endpoint, "taken")
    client.force_login(alice)
    assert client.post(f"/jobs/{job.serial}/rename/", {"name": "taken"}).status_code == 422
    client.post(f"/jobs/{job.serial}/rename/", {"name": "bestellungen"})
    assert Job.objects.get(pk=job.pk).name == "bestellungen"


def test_a_new_job_comes_into_the_folder(
    client: Client, alice: User, folders: dict[str, Folder], endpoint: Any, url: str
) -> None:
    client.force_login(alice)
    assert (
        f'value="{folders["risk"].serial}" selected' in client.get(url + f"new/?folder={folders['risk'].serial}").text
    )
    client.post(url + "new/", {"name": "a", "endpoint": endpoint.pk, "folder": folders["risk"].serial})
    assert Job.objects.get().folder == folders["risk"]


def test_folders_of_other_workspaces_do_not_exist(
    client: Client, alice: User, charlie: User, job: Job, folders: dict[str, Folder], workspace: Workspace
) -> None:
    theirs = Folder.objects.create(workspace=Workspace.objects.get(name="Elsewhere"), name="theirs")
    client.force_login(alice)
    assert client.post(f"/jobs/{job.serial}/move/", {"folder": theirs.serial}).status_code == 422
    assert client.post(f"/folders/{folders['spot'].serial}/move/", {"parent": theirs.serial}).status_code == 422
    client.force_login(charlie)
    for act in ("rename", "move", "delete"):
        assert client.get(f"/folders/{folders['risk'].serial}/{act}/").status_code == 404
        assert client.post(f"/folders/{folders['risk'].serial}/{act}/").status_code == 404
    assert client.post(f"/spaces/{workspace.serial}/folders/new/").status_code == 404


def test_viewers_may_only_look(
    client: Client, vera: User, workspace: Workspace, job: Job, folders: dict[str, Folder], url: str
) -> None:
    client.force_login(vera)
    body = client.get(url).text
    assert "risk" in body
    assert "New folder" not in body
    for address in (
        f"/folders/{folders['risk'].serial}/rename/",
        f"/folders/{folders['risk'].serial}/move/",
        f"/folders/{folders['risk'].serial}/delete/",
        f"/spaces/{workspace.serial}/folders/new/",
        f"/jobs/{job.serial}/move/",
        f"/jobs/{job.serial}/rename/",
    ):
        assert client.get(address).status_code == 403
        assert client.post(address).status_code == 403


def test_other_methods_are_refused(client: Client, alice: User, folders: dict[str, Folder]) -> None:
    client.force_login(alice)
    assert client.delete(f"/folders/{folders['risk'].serial}/delete/").status_code == 405


def pages_with_folders(job: Job, folder: Folder) -> list[str]:
    space = f"/spaces/{job.workspace.serial}"
    return [
        f"{space}/jobs/",
        f"{space}/jobs/?folder={folder.serial}",
        f"{space}/jobs/poll/?seen=x",
        f"{space}/jobs/new/",
        f"{space}/folders/new/",
        f"/jobs/{job.serial}/copy/",
        f"/jobs/{job.serial}/move/",
        f"/folders/{folder.serial}/move/",
        f"/folders/{folder.serial}/delete/",
    ]


def test_pages_live_with_folders_that_are_too_deep(client: Client, alice: User, job: Job, url: str) -> None:
    """Formerly folders could be moved to any depth. On the page all below the tenth level are one list."""
    folder = None
    for level in range(1, 301):
        folder = Folder.objects.create(workspace=job.workspace, name=f"f{level}", parent=folder)
    assert folder
    operations.move_job(alice, job, folder)
    client.force_login(alice)
    for page in pages_with_folders(job, folder):
        assert client.get(page).status_code == 200, page
    body = client.get(url).text
    assert body.count('class="branches"') == 11
    assert all(f'title="f{level}"' in body for level in range(1, 301))
    assert f'id="count-{Folder.objects.get(name="f1").serial}">1<' in body


def test_pages_live_with_folders_in_a_ring(
    client: Client, alice: User, job: Job, folders: dict[str, Folder], url: str
) -> None:
    """Formerly two moves at the same time could make one. It is shown from one of its folders on, from where it is undone."""
    operations.move_job(alice, job, folders["fast"])
    Folder.objects.filter(pk=folders["trade"].pk).update(parent=folders["fast"])
    client.force_login(alice)
    for page in pages_with_folders(job, folders["trade"]):
        assert client.get(page).status_code == 200, page
    assert {one.name: one.count for one in client.get(url).context["tree"]}.keys() == folders.keys()
    client.post(f"/folders/{folders['trade'].serial}/move/", {"parent": ""})
    tree = client.get(url).context["tree"]
    assert [(one.name, one.count) for one in tree] == [("risk", 0), ("trade", 1), ("spot", 1), ("fast", 1)]


def test_what_is_done_to_folders_is_told_where_the_workspace_is(
    client: Client, alice: User, workspace: Workspace, folders: dict[str, Folder]
) -> None:
    client.force_login(alice)
    client.post(f"/folders/{folders['spot'].serial}/rename/", {"name": "margin"})
    client.post(f"/folders/{folders['fast'].serial}/move/", {"parent": folders["risk"].serial})
    client.post(f"/folders/{folders['spot'].serial}/delete/")
    page = client.get(f"/spaces/{workspace.serial}/members/").text
    for told in (
        "The folder trade/spot was created.",
        "The folder trade/spot was renamed to margin.",
        "The folder trade/margin/fast was moved; its path is now risk/fast.",
        "The folder trade/margin was deleted.",
    ):
        assert told in page


def test_a_folder_that_somebody_deleted_meanwhile(
    client: Client, alice: User, job: Job, folders: dict[str, Folder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the click's look and its act."""
    client.force_login(alice)
    for act, fields in (
        ("rename_folder", {"name": "margin"}),
        ("move_folder", {"parent": folders["risk"].serial}),
        ("delete_folder", {}),
    ):
        folder, real = (
            operations.create_folder(alice, job.workspace, act.replace("_", "-"), None),
            getattr(operations, act),
        )

        def first_deleted(user: User, folder: Folder, *given: Any, real: Any = real) -> None:
            Folder.objects.filter(pk=folder.pk).delete()
            real(user, folder, *given)

        with monkeypatch.context() as patch:
            patch.setattr(operations, act, first_deleted)
            answer = client.post(f"/folders/{folder.serial}/{act.split('_')[0]}/", fields)
        assert answer.status_code == 422
        assert f"The folder {folder.name} was deleted in the meantime." in answer.text
