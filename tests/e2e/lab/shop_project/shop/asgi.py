# SPDX-License-Identifier: Apache-2.0
"""What uvicorn, daphne and hypercorn load: Django, and a WebSocket that tells its process and then echoes."""
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
_django = get_asgi_application()


async def application(scope, receive, send):
    if scope["type"] != "websocket":
        await _django(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": str(os.getpid())})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
