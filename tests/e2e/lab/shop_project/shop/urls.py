# SPDX-License-Identifier: Apache-2.0
"""The first path segment chooses how to answer; the rest carries the truth and is not looked at."""
from django.urls import re_path

from shop import views

urlpatterns = [
    re_path(r"^slow(?:/|$)", views.slow),
    re_path(r"^status/(?P<status>[1-5]\d\d)(?:/|$)", views.status),
    re_path(r"^auth$", views.allow),
    re_path(r"^big(?:/|$)", views.big),
    re_path(r"^sized(?:/|$)", views.sized),
    re_path(r"^nap(?:/|$)", views.nap),
    re_path(r"^early(?:/|$)", views.early),
    re_path(r"^lies(?:/|$)", views.lies),
    re_path(r"^fetch(?:/|$)", views.fetch),
    re_path(r"^cached(?:/|$)", views.cached),
    re_path(r"", views.plain),
]
