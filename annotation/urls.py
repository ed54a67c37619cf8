from django.urls import path

from annotation import views

app_name = "annotation"

urlpatterns = [
    path("datasets/<slug:name>/tasks/new/", views.plan, name="plan"),
    path("datasets/<slug:name>/plan/take-back/", views.plan_take_back, name="take-back"),
    path("datasets/<slug:name>/plan/give-back/", views.plan_give_back, name="give-back"),
    path("datasets/<slug:name>/plan/keys/", views.plan_keys, name="keys"),
    path("datasets/<slug:name>/plan/gold/", views.plan_gold, name="gold"),
    path("datasets/<slug:name>/tasks/<int:pk>/package/", views.package, name="package"),
    path("datasets/<slug:name>/tasks/answers/", views.answers, name="answers"),
    path("datasets/<slug:name>/retry-annotation/<slug:kind>/", views.retry, name="retry"),
]
