"""Where the way home leads, as the browser remembers it."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from workspaces.models import Member, Role, Workspace

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]


def test_it_leads_to_the_workspace_that_one_was_in_last(
    workspace: Workspace, alice: User, signed_in: Page, base: str
) -> None:
    last = Workspace.objects.create(name="Zebra")
    Member.objects.create(workspace=last, user=alice, role=Role.VIEWER)
    signed_in.goto(f"{base}/spaces/{last.serial}/members/")
    signed_in.get_by_role("link", name="Oceanus Console").click()
    expect(signed_in).to_have_url(f"{base}/spaces/{last.serial}/jobs/")
