from django.urls import include, path

from mailer import views
from subscribers import urls as readers_urls  # also names the newsletters that stand under their label

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("media/<slug:sha256>.<slug:extension>", views.media, name="media"),
    path("archive/<str:slug>/", views.archive_issue, name="archive_issue"),
    path("<further_newsletter:label>/archive/<str:slug>/", views.archive_issue, name="archive_issue_of"),
    path("", include(readers_urls)),
]
handler404 = "subscribers.views.not_found"
handler500 = "subscribers.views.failed"
