"""Coming in, beside the sign-in form itself: whoever fails too often waits, one form for all, and one's own password."""

import ipaddress
import math
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.password_validation import password_validators_help_texts
from django.contrib.auth.views import PasswordChangeView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe


def address_of(request: HttpRequest) -> str | None:
    """Return the address that a request comes from, as the outermost reverse proxy of ours saw it.

    Proxies write from left to right, so what stands left of our own ones' entries is the sender's invention.
    """
    sender = request.META.get("REMOTE_ADDR") or None
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        seen = hops[-settings.TRUSTED_PROXIES] if len(hops) >= settings.TRUSTED_PROXIES else ""
        return _as_address(seen) or _as_address(sender)
    return _as_address(sender)


def _as_address(text: str | None) -> str | None:
    try:
        return str(ipaddress.ip_address(text or ""))
    except ValueError:  # a unix socket has none, and some proxies add a port
        return None


def locked_out(request: HttpRequest, shown: HttpResponse, credentials: dict[str, str] | None) -> HttpResponse:
    """Show the sign-in form with the time to wait. It says the same of users that don't exist."""
    username = (credentials or {}).get("username", "")
    minutes = _minutes_to_wait(username, address_of(request))
    context = {
        "form": AuthenticationForm(request, initial={"username": username}),
        "next": request.POST.get("next", ""),
        "minutes_to_wait": minutes,
    }
    answer = render(request, "login.html", context, status=429)
    answer.headers["Retry-After"] = str(minutes * 60)
    return answer


def _minutes_to_wait(username: str, address: str | None) -> int:
    last = AccessAttempt.objects.filter(username=username, ip_address=address).order_by("-attempt_time").first()
    until = (last.attempt_time if last else timezone.now()) + settings.AXES_COOLOFF_TIME
    return max(1, math.ceil((until - timezone.now()).total_seconds() / 60))


@login_not_required
@require_safe
def admin_door(request: HttpRequest) -> HttpResponse:
    """Lead whoever asks for the administration to the one sign-in form; there is nothing there for others."""
    if request.user.is_authenticated:
        raise PermissionDenied(_("Only super admins may do this"))
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))


class PasswordForm(PasswordChangeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django's own is a list, which doesn't fit below a field of ours.
        self.fields["new_password1"].help_text = " ".join(password_validators_help_texts())


class ChangePassword(PasswordChangeView):
    """Let a user change his own password. His sessions elsewhere end, this one goes on."""

    http_method_names = ["get", "head", "options", "post"]
    form_class = PasswordForm
    template_name = "password.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        answer = super().form_valid(form)
        messages.success(self.request, _("Your password is changed. You are signed out everywhere else."))
        return answer

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)
