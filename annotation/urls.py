from django.urls import path

from annotation import api, views

app_name = "annotation"

urlpatterns = [
    path("api/cvat/webhooks/<uuid:uuid>/", api.Webhook.as_view(), name="webhook"),
    path("datasets/<slug:name>/tasks/new/", views.plan, name="plan"),
    path("datasets/<slug:name>/tasks/<int:pk>/package/", views.package, name="package"),
    path("datasets/<slug:name>/tasks/answers/", views.answers, name="answers"),
    path("datasets/<slug:name>/retry-annotation/<slug:kind>/", views.retry, name="retry"),
]
