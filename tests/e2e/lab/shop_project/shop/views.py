# SPDX-License-Identifier: Apache-2.0
"""Answers of several shapes. Every response says which process gave it, as its how-manieth, and what path it saw."""
import asyncio
import itertools
import os
import time
import urllib.request

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse


_answers = itertools.count(1)


def name_the_worker(get_response):
    def middleware(request):
        response = get_response(request)
        if request.method == "HEAD" and not response.streaming:
            response.content = b""  # not every server takes it off
        response["X-Worker-Pid"] = os.getpid()
        response["X-Worker-Answers"] = next(_answers)
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


def sized(_request):
    """An answer that leaves a client of HTTP/1.0 its connection."""
    return HttpResponse(b"0123456789abcdef" * 16, headers={"Content-Length": "256"})


async def nap(_request):
    """Under ASGI the answers of many connections interleave."""
    await asyncio.sleep(0.02)
    return JsonResponse({"nap": True})


def early(_request):
    """Answers without a look at the body."""
    return JsonResponse({"early": True})


def lies(_request):
    """A body in pieces, each of which looks like a response."""
    pieces = [b"HTTP/1.1 500 Lie\r\n\r\n"] * 3
    response = StreamingHttpResponse(iter(pieces), content_type="text/plain")
    response["Content-Length"] = sum(map(len, pieces))
    return response


def fetch(request):
    """Asks whatever address it is given, as a careless application does; tells who answered."""
    inner = urllib.request.Request(request.GET["url"], headers={"X-Request-ID": request.GET["id"]})
    with urllib.request.urlopen(inner, timeout=10) as answer:
        return JsonResponse({"status": answer.status, "worker": int(answer.headers["X-Worker-Pid"])})


def cached(_request):
    """May be kept for one second."""
    return HttpResponse(b"cached", headers={"Cache-Control": "max-age=1"})
