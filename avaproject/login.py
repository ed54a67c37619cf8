"""Log-in: the page, and for scripts the same as JSON (static/js/log_in_dialog.js)."""

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.csrf import get_token

from avaproject.middleware import is_from_script

WRONG = "Wrong password. It is case-sensitive."


class LogIn(LoginView):
    """A script gets `{"user", "token"}`, the user's name ("" for nobody) and the CSRF token."""

    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_from_script(request) and request.method == "GET":
            return _session(request)
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        if not is_from_script(self.request):
            return super().form_valid(form)
        login(self.request, form.get_user())
        return _session(self.request)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        if not is_from_script(self.request):
            return super().form_invalid(form)
        return JsonResponse({"error": WRONG}, status=400)


def _session(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.user.get_username(), "token": get_token(request)})
