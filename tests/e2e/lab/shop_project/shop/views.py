# SPDX-License-Identifier: Apache-2.0
"""Answers of several shapes. Every response says which process gave it and what path it saw."""
import os
import time

from django.http import HttpResponse, JsonResponse


def name_the_worker(get_response):
    def middleware(request):
        response = get_response(request)
        response["X-Worker-Pid"] = os.getpid()
        response["X-Seen-Path"] = request.path
        return response
    return middleware


def plain(request):
    return JsonResponse({"method": request.method, "body_bytes": len(request.body)})


def slow(request):
    time.sleep(min(int(request.GET.get("ms", "50")), 5000) / 1000)
    return JsonResponse({"slow": True})


def status(_request, status):
    return HttpResponse(status=int(status))


def allow(_request):
    """For auth_request. No body: nginx hangs up on one, and gunicorn then logs nothing."""
    return HttpResponse(status=204)


def big(_request):
    return HttpResponse(b"0123456789abcdef" * 16384, content_type="text/plain")
