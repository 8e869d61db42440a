# SPDX-License-Identifier: Apache-2.0
"""Every path answers with the identity that the request's headers claim: an application believes what it is told."""
from django.http import JsonResponse
from django.urls import re_path


def answer(request):
    claimed = request.headers.get("X-SSL-Client-Subject")
    return JsonResponse({"path": request.path, "claimed_identity": claimed})


urlpatterns = [re_path("", answer)]
