"""Access keys of a user: made, shown once, listed with their last use, revoked; kept sealed, and put on record."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from api.keys import MOST_KEYS, make_key, revoke
from api.models import AccessKey
from oceanus_console.home import Home
from workspaces.models import Event
from workspaces.refusal import Refusal
from workspaces.sealed import unseal

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def test_a_key_has_the_form_that_clients_expect(alice: User) -> None:
    key, secret = make_key(alice, "nightly")
    assert re.fullmatch(r"AKID[A-Za-z0-9]{32}", key.secret_id)
    assert re.fullmatch(r"[A-Za-z0-9]{40}", secret)
    assert re.fullmatch(r"key-[a-z0-9]{8}", key.serial)
    other, other_secret = make_key(alice, "")
    assert (other.secret_id, other_secret) != (key.secret_id, secret)


def test_the_secret_is_sealed(alice: User) -> None:
    _key, secret = make_key(alice, "")
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(api_accesskey)::text FROM api_accesskey")
        stored = cursor.fetchone()[0]
    assert secret not in stored
    assert unseal(AccessKey.objects.get().sealed_secret) == secret


def test_five_keys_are_the_most(alice: User, bob: User) -> None:
    keys = [make_key(alice, "")[0] for _ in range(MOST_KEYS)]
    with pytest.raises(Refusal, match="at most 5"):
        make_key(alice, "")
    make_key(bob, "")
    revoke(alice, keys[0])
    make_key(alice, "")


def test_making_and_revoking_are_on_record(alice: User) -> None:
    key, secret = make_key(alice, "")
    revoke(alice, key)
    revoke(alice, key)  # by a second click
    revoked, made = Event.objects.filter(about=key.serial)
    assert str(made) == f"The access key {key.secret_id} was made."
    assert str(revoked) == f"The access key {key.secret_id} was revoked."
    assert {made.by, revoked.by} == {alice}
    assert secret not in str(made.params)


def test_a_new_key_shows_its_secret_once(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert "Make the key" in client.get("/access-keys/new/", headers=HTMX).text
    answer = client.post("/access-keys/new/", {"description": "nightly"}, headers=HTMX)
    key = AccessKey.objects.get()
    secret = unseal(key.sealed_secret)
    assert (key.user, key.description) == (alice, "nightly")
    assert secret in answer.text
    assert "no-store" in answer.headers["Cache-Control"]
    # The list under the dialog is brought up to date with it.
    assert 'id="keys"' in answer.text.partition("hx-swap-oob")[0][-200:]
    assert re.search(
        rf'id="record"[^>]* hx-swap-oob="true".*The access key {key.secret_id} was made', answer.text, re.DOTALL
    )
    shown = client.get("/access-keys/").text
    assert key.secret_id in shown
    assert secret not in shown


def test_it_works_without_javascript(client: Client, alice: User) -> None:
    client.force_login(alice)
    answer = client.post("/access-keys/new/", {"description": ""})
    assert "<!doctype html>" in answer.text
    assert unseal(AccessKey.objects.get().sealed_secret) in answer.text
    key = AccessKey.objects.get()
    assert client.post(f"/access-keys/{key.serial}/revoke/").status_code == 302
    assert AccessKey.objects.get().revoked_at


def test_a_sixth_is_refused_in_the_dialog(client: Client, alice: User) -> None:
    for _ in range(MOST_KEYS):
        make_key(alice, "")
    client.force_login(alice)
    answer = client.post("/access-keys/new/", {"description": ""}, headers=HTMX)
    assert answer.status_code == 422
    assert "at most 5 access keys" in answer.text


def test_a_bad_description_comes_back(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.post("/access-keys/new/", {"description": "x" * 101}, headers=HTMX).status_code == 422
    assert not AccessKey.objects.exists()


def test_the_list_tells_the_last_use_and_what_was_revoked(client: Client, alice: User) -> None:
    used, unused, gone = (make_key(alice, name)[0] for name in ("used", "unused", "gone"))
    AccessKey.objects.filter(pk=used.pk).update(last_used_at=timezone.now(), last_used_from="192.0.2.7")
    revoke(alice, gone)
    client.force_login(alice)
    page = client.get("/access-keys/").text
    assert "192.0.2.7" in page
    assert "Never" in page
    for key, link in ((used, True), (unused, True), (gone, False)):
        assert key.secret_id in page
        assert (f"/access-keys/{key.serial}/revoke/" in page) is link
    assert "Revoked" in page


def test_a_key_is_revoked(client: Client, alice: User) -> None:
    key, _secret = make_key(alice, "nightly")
    client.force_login(alice)
    path = f"/access-keys/{key.serial}/revoke/"
    assert "nightly" in client.get(path, headers=HTMX).text
    answer = client.post(path, headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/access-keys/"
    assert AccessKey.objects.get().revoked_at
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("who", ["bob", "root"])
def test_keys_of_others_do_not_exist(client: Client, alice: User, who: str, request: Any) -> None:
    key, _secret = make_key(alice, "nightly")
    client.force_login(request.getfixturevalue(who))
    assert client.get(f"/access-keys/{key.serial}/revoke/").status_code == 404
    assert client.post(f"/access-keys/{key.serial}/revoke/").status_code == 404
    assert key.secret_id not in client.get("/access-keys/").text
    assert AccessKey.objects.get().revoked_at is None


def test_a_super_admin_revokes_keys_in_the_administration(client: Client, alice: User, root: User) -> None:
    key, secret = make_key(alice, "nightly")
    client.force_login(root)
    page = client.get("/admin/api/accesskey/")
    assert key.secret_id in page.text
    shown = client.get(f"/admin/api/accesskey/{key.pk}/change/").text
    assert secret not in shown
    assert key.sealed_secret not in shown
    client.post("/admin/api/accesskey/", {"action": "revoke", "_selected_action": [key.pk]})
    assert AccessKey.objects.get().revoked_at
    # Its user sees who it was.
    client.force_login(alice)
    record = client.get("/access-keys/").text.partition("Record of changes")[2]
    assert f"The access key {key.secret_id} was revoked." in record
    assert "root" in record


def load_sample(home: Home) -> dict[str, str]:
    """Start the console on a home as ./oceanus up does, and return the key of its credentials file."""
    credentials, _users = home.credentials("http://console")
    call_command("load_sample", "--flink-url", "http://flink", "--credentials", str(credentials))
    (key,) = json.loads(credentials.read_text())["keys"]
    return dict(key)


def test_the_first_start_makes_one_for_the_super_admin(tmp_path: Path) -> None:
    given = load_sample(Home(tmp_path))
    key = AccessKey.objects.get()
    assert (key.secret_id, unseal(key.sealed_secret)) == (given["secret_id"], given["secret_key"])
    assert key.user == User.objects.get(username="admin", is_superuser=True)
    assert re.fullmatch(r"AKID[A-Za-z0-9]{32}", key.secret_id)
    # Once revoked, it stays so.
    revoke(key.user, key)
    assert load_sample(Home(tmp_path)) == given
    assert AccessKey.objects.get().revoked_at


def test_a_home_of_before_gets_one_on_its_next_start(tmp_path: Path) -> None:
    users = [
        {"username": "admin", "password": "x", "role": "super admin"},
        {"username": "developer", "password": "x", "role": "developer"},
    ]
    (tmp_path / "credentials.json").write_text(json.dumps({"url": "http://old", "users": users}))
    given = load_sample(Home(tmp_path))
    assert AccessKey.objects.get().secret_id == given["secret_id"]
    assert json.loads((tmp_path / "credentials.json").read_text())["users"] == users
