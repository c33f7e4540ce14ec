"""Files in a form: the console takes none, from nobody."""

from typing import NoReturn

from django.core.exceptions import BadRequest
from django.core.files.uploadhandler import FileUploadHandler


class NoFiles(FileUploadHandler):
    """Refuses a form with a file as soon as the file begins. Django's own handlers would write it to the disk first."""

    def new_file(self, *args: object, **kwargs: object) -> NoReturn:
        raise BadRequest("The console takes no files.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Never called."""

    def file_complete(self, file_size: int) -> None:
        """Never called."""
