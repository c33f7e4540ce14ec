"""The administration's frame."""

from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import BadRequest, FieldDoesNotExist
from django.db import DataError
from django.http import HttpRequest, HttpResponse


class ConsoleAdminSite(AdminSite):
    site_header = site_title = "Oceanus Console"

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Answer 400 to an address that asks for what there is not, or compares with what no column holds (the year 99999)."""

        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, *args, **kwargs)
            except (DataError, FieldDoesNotExist, OverflowError, ValueError) as error:
                if request.method == "GET":
                    raise BadRequest("The address holds what no column can be compared to.") from error
                raise

        return super().admin_view(answer, cacheable)
