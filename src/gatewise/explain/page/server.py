"""The page from a server on this machine: a token in every address, uploads with a limit, loaded as data alone.

Nothing that a client sends names a file here: the page's own files are a fixed list, and uploads are kept in memory or,
for the time of loading, in a temporary folder under a name of ours.
"""

from __future__ import annotations

import hmac
import re
import secrets
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gatewise.explain.page import single_file
from gatewise.explain.page.report import model_data
from gatewise.explain.page.uploads import UploadError, read_data, read_model

MAX_UPLOAD_BYTES = 50 << 20
HOSTS = ("127.0.0.1", "localhost")
MOST_MODELS = 4

_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}  # fmt: skip
_TYPES = {".js": "text/javascript", ".css": "text/css"}


class Server:
    """The page's server: what it shows, and who may see it.

    Attributes:
        token: the word that must begin every address; a new one for each run.
        app: the application, for uvicorn.
    """

    def __init__(self, data: dict[str, Any], token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self._data = {**data, "served": True, "models": list(data["models"])}
        self._uploaded: list[Any] = []  # the models behind the last entries of data["models"]
        self._stamp = len(data["models"])
        self._files = {"page.css", *single_file.modules()}
        routes = [
            Route("/{token}/", self._page), Route("/{token}/{name}", self._file),
            Route("/{token}/model", self._take_model, methods=["POST"]),
            Route("/{token}/data", self._take_data, methods=["POST"]),
        ]  # fmt: skip
        self.app = _Guard(Starlette(routes=routes), self.token)

    async def _page(self, request: Request) -> Response:
        return Response(single_file.served_page(self._data), media_type="text/html")

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files:
            return PlainTextResponse("There is no such file.", 404)
        return Response(single_file.static_file(name), media_type=_TYPES[Path(name).suffix])

    async def _take_model(self, request: Request) -> Response:
        """A .keras file: its layers are added to what is shown."""

        def use(content: bytes) -> dict[str, Any]:
            with tempfile.TemporaryDirectory(prefix="gatewise-") as folder:
                model = read_model(content, Path(folder))
            facts = model_data(model, name=_shown_name(request), stamp=self._next_stamp())
            models = [*self._data["models"], facts][-MOST_MODELS:]
            self._uploaded = [*self._uploaded, model][-MOST_MODELS:]
            return self._shown(models, len(models) - 1)

        return await self._taken(request, use)

    async def _take_data(self, request: Request) -> Response:
        """An array: what the models that were opened compute on it."""

        def use(content: bytes) -> dict[str, Any]:
            if not self._uploaded:
                raise UploadError("Open a model first; then the data that it is to run on.")
            x = read_data(content)
            first = len(self._data["models"]) - len(self._uploaded)
            models = list(self._data["models"])
            fitting, refused = 0, None
            for k, model in enumerate(self._uploaded):
                try:
                    name = models[first + k]["name"]
                    models[first + k] = model_data(model, x, name=name, stamp=self._next_stamp())
                    fitting += 1
                except (ValueError, TypeError) as error:
                    refused = error
            if not fitting and refused is not None:
                raise refused
            return self._shown(models, len(models) - 1)

        return await self._taken(request, use)

    def add_models(self, models: list[Any]) -> None:
        """Models that the page shows already, in the order of its data, so that data can be opened for them."""
        self._uploaded = list(models)

    def _next_stamp(self) -> int:
        self._stamp += 1
        return self._stamp

    def _shown(self, models: list[dict[str, Any]], chosen: int) -> dict[str, Any]:
        self._data["models"] = models
        return {"models": models, "chosen": chosen}

    async def _taken(self, request: Request, use: Any) -> Response:
        """The answer to an upload: what `use` makes of it, or what is wrong with it, as text."""
        try:
            content = await _body(request)
            return JSONResponse(await run_in_threadpool(use, content))
        except UploadError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except (ValueError, TypeError, KeyError, ImportError, MemoryError) as error:
            return JSONResponse({"error": _told(error)}, 422)
        except ClientDisconnect:
            return Response(status_code=400)


async def _body(request: Request) -> bytes:
    """What was sent, refused as soon as it is known to be too long.

    Raises:
        UploadError: beyond the limit, or if nothing was sent.
    """
    declared = request.headers.get("content-length", "")
    too_long = UploadError(f"A file of more than {MAX_UPLOAD_BYTES >> 20} MB is not taken.", 413)
    if declared.isdigit() and int(declared) > MAX_UPLOAD_BYTES:
        raise too_long
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_UPLOAD_BYTES:
            raise too_long
    if not content:
        raise UploadError("The file is empty.")
    return bytes(content)


def _shown_name(request: Request) -> str:
    """What to call the model on the page: the last part of the file's name; it never names a file here."""
    name = urllib.parse.unquote(request.headers.get("x-file-name", "")).replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isprintable())[:80] or "model"


def _told(error: Exception) -> str:
    """An error's text without the temporary folder in it."""
    text = str(error) or type(error).__name__
    return re.sub(r"\S*gatewise-\w+[\\/]", "", text)[:2000]


class _Guard:
    """Refuses what does not come from this machine's own page: other Host headers, other tokens."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        answer = self._app if refusal is None else refusal

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                extra = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items() if k.lower().encode() not in own]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not _is_own_host(hosts[0]):
            # A foreign name that leads to this machine (DNS rebinding) would let another site read the page.
            return PlainTextResponse("This address is not the page's own.", 421)
        first = scope["path"].lstrip("/").partition("/")[0]
        if not hmac.compare_digest(first.encode("utf-8", "surrogatepass"), self._token):
            return PlainTextResponse("Open the address that gatewise explore printed: it has a token.", 403)
        return None


def _is_own_host(host: str) -> bool:
    name, _, port = host.partition(":")
    return name.lower() in HOSTS and (port == "" or port.isdigit())
