from django.urls import path

from tracking import views

app_name = "tracking"

urlpatterns = [
    path("datasets/<slug:name>/runs/<int:pk>/tracks/", views.tracks, name="tracks"),
    path("datasets/<slug:name>/retry-tracking/<slug:kind>/", views.retry, name="retry"),
]
