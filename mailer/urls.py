from django.urls import include, path

from mailer import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("media/<slug:sha256>.<slug:extension>", views.media, name="media"),
    path("", include("subscribers.urls")),
]
handler404 = "subscribers.views.not_found"
handler500 = "subscribers.views.failed"
