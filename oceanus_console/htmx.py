"""Answers to htmx: of one address it gets a part where a person gets the page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxMiddleware


class PartsApart(HtmxMiddleware):
    """See to it that a browser that goes back never takes a part that it has kept for the page."""

    async_capable = False

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = super().__call__(request)
        assert isinstance(response, HttpResponseBase)
        patch_vary_headers(response, ["HX-Request", "HX-Target"])
        return response
