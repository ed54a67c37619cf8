"""Log-in: the page, and for scripts the same as JSON (static/js/log_in_dialog.js)."""

from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.middleware.csrf import get_token
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from avaproject.middleware import is_from_script

WRONG = "Wrong password. It is case-sensitive."

page = LoginView.as_view(redirect_authenticated_user=True)


@sensitive_post_parameters()
@csrf_protect
@never_cache
def log_in(request: HttpRequest) -> HttpResponseBase:
    """The page; a script gets `{"user", "token"}`: a name ("" for nobody), the CSRF token."""
    if not is_from_script(request):
        return page(request)
    if request.method == "POST":
        form = AuthenticationForm(request, request.POST)
        if not form.is_valid():
            return JsonResponse({"error": WRONG}, status=400)
        login(request, form.get_user())
    return JsonResponse({"user": request.user.get_username(), "token": get_token(request)})
