"""URLs of login, admin and all apps."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from avaproject.login import log_in

handler500 = "avaproject.errors.server_error"
urlpatterns = [
    path("login/", log_in, name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("", include("datasets.urls")),
    path("", include("tracking.urls")),
    path("", include("annotation.urls")),
    path("", include("qc.urls")),
    path("", include("workers.urls")),
]
