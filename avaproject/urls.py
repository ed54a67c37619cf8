"""URLs of login, admin and all apps."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

urlpatterns = [
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("", include("datasets.urls")),
    path("", include("tracking.urls")),
    path("", include("annotation.urls")),
    path("", include("qc.urls")),
    path("", include("workers.urls")),
]
