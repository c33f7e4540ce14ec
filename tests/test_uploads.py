"""Files in a form: refused before a byte of them is written, also to people who are not signed in."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("size", [10, 5_000_000])
def test_a_file_is_refused_and_nothing_is_written(client: Client, settings: Any, tmp_path: Path, size: int) -> None:
    # Whoever wanted to write there would fail, and so would the request.
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "not there"
    sent = {"username": "a", "password": "b", "file": SimpleUploadedFile("a.bin", b"x" * size)}
    answer = client.post("/login/", sent)
    assert answer.status_code == 400
    assert "cannot be understood" in answer.text


def test_a_form_of_several_parts_without_a_file_is_read(client: Client) -> None:
    assert client.post("/login/", {"username": "a", "password": "b"}).status_code == 200
