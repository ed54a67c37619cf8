"""URLs of login, admin and all apps."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.decorators.cache import cache_control
from django.views.i18n import JavaScriptCatalog

from avaproject import single_sign_on
from avaproject.log_in import log_in

# Second factors count there too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
handler403 = "avaproject.error_pages.no_permission"
handler404 = "avaproject.error_pages.not_found"
handler500 = "avaproject.error_pages.server_error"
urlpatterns = [
    path("login/", log_in, name="login"),
    path("account/", include("allauth.account.urls")),
    path("account/2fa/", include("allauth.mfa.urls")),
    path("account/connections/", include("allauth.socialaccount.urls")),
    path(
        "account/oidc/<slug:provider_id>/login/",
        single_sign_on.log_in,
        name="openid_connect_login",
    ),
    path(
        "account/oidc/<slug:provider_id>/login/callback/",
        single_sign_on.callback,
        name="openid_connect_callback",
    ),
    path("account/sessions/", include("allauth.usersessions.urls")),
    path(  # sentences of scripts in the language of the installation; English needs none
        "scripts/sentences.js",
        cache_control(max_age=3600)(JavaScriptCatalog.as_view()),
        name="javascript-catalog",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("api/", include("workers.api.urls")),
    path("", include("datasets.urls")),
    path("", include("tracking.urls")),
    path("", include("annotation.urls")),
    path("", include("qc.urls")),
    path("", include("workers.urls")),
]
