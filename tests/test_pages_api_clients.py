"""The page that tells how to point each client here: with the reader's own endpoint, in his language, and right code."""

import ast
import html
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from api.clients import clients_for

pytestmark = pytest.mark.django_db


def test_it_shows_the_endpoint_that_the_reader_came_by(client: Client, alice: User) -> None:
    client.force_login(alice)
    page = html.unescape(client.get("/api-clients/", HTTP_HOST="testserver:8123").text)
    for words in (
        'HttpProfile(protocol="http", endpoint="testserver:8123")',
        "--endpoint http://testserver:8123",
        'httpProfile: { protocol: "http://", endpoint: "testserver:8123" }',
        'settings.HttpProfile.Endpoint = "testserver:8123"',
        'domain     = "testserver:8123"',
    ):
        assert words in page
    assert "/api-clients/" in client.get("/access-keys/").text


def test_every_example_can_be_copied_as_it_stands(client: Client, alice: User) -> None:
    client.force_login(alice)
    page = client.get("/api-clients/").text
    copied = [html.unescape(one) for one in re.findall(r'data-copy="([^"]*)"', page)]
    for one in clients_for("http", "testserver", "en-US"):
        assert one.text in copied


def test_the_python_example_is_python(alice: User) -> None:
    [python] = [one for one in clients_for("https", "console.example", "zh-CN") if one.slug == "python"]
    ast.parse(python.text)
    assert 'protocol="https"' in python.text
