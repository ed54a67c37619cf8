"""Log-in: the page, and for scripts the same as JSON (static/js/log_in_dialog.js)."""

from allauth.account.views import LoginView
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.middleware.csrf import get_token
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from avaproject.middleware import is_from_script

WRONG = gettext_noop("Wrong password. It is case-sensitive.")
SECOND_FACTOR = gettext_noop(
    "This account has a second factor: log in on the page, by the link below."
)

page = LoginView.as_view(template_name="registration/login.html")


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@csrf_protect
@never_cache
def log_in(request: HttpRequest) -> HttpResponseBase:
    """The page; a script gets `{"user", "token"}`: a name ("" for nobody), the CSRF token."""
    if not is_from_script(request):
        return _page(request)
    if request.method == "POST":
        form = AuthenticationForm(request, request.POST)
        if not form.is_valid():
            return JsonResponse({"error": _(WRONG)}, status=400)
        if is_mfa_enabled(form.get_user()):
            return JsonResponse({"error": _(SECOND_FACTOR)}, status=400)
        login(request, form.get_user())
    return JsonResponse({"user": request.user.get_username(), "token": get_token(request)})


def _page(request: HttpRequest) -> HttpResponseBase:
    """The page of allauth, which calls the name `login`; `username` is what all else says."""
    if "username" in request.POST:
        fields = request.POST.copy()
        fields["login"] = str(fields["username"])
        request.POST = fields  # type: ignore[assignment]
    return page(request)
