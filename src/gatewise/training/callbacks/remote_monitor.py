"""Telling a web server what each epoch logged."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from gatewise.training.callbacks.base import Callback
from gatewise.training.finite import levels_to_user

_SECONDS = 10.0


class RemoteMonitor(Callback):
    """Post the logs of every epoch to a web server.  A server that cannot be reached is warned of; training goes on.

    Args:
        root, path: the address, in two parts.
        field: the name of the form field that holds the JSON text.
        headers: headers of the request.
        send_as_json: send the JSON text itself instead of a form.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        if not str(root).startswith(("http://", "https://")):
            raise ValueError(f"RemoteMonitor: root begins with http:// or https://; got {root!r}.")
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        from urllib import error, parse, request

        told = {"epoch": epoch, **{name: _plain(value) for name, value in (logs or {}).items()}}
        text = json.dumps(told)
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        body = text if self.send_as_json else parse.urlencode({self.field: text})
        post = request.Request(
            self.root + self.path, body.encode(), {"Content-Type": kind, **(self.headers or {})}, method="POST"
        )
        try:
            with request.urlopen(post, timeout=_SECONDS) as answer:
                answer.read()
        except (error.URLError, OSError) as problem:
            warnings.warn(
                f"RemoteMonitor could not tell {self.root} of epoch {epoch}: {problem}", stacklevel=levels_to_user()
            )


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
