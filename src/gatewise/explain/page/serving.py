"""Running the page's server until it is interrupted."""

from __future__ import annotations

import contextlib
import socket
import webbrowser
from collections.abc import Sequence
from typing import Any


def serve(data: dict[str, Any], port: int = 0, open_browser: bool = True, models: Sequence[Any] = ()) -> None:
    """Show the page from 127.0.0.1, print its address, and wait for Ctrl-C.

    Args:
        data: what the page reads.
        port: 0 for any free one.
        open_browser: whether to open the address.
        models: the models behind the last entries of data["models"], so that data can be opened for them.

    Raises:
        ImportError: if starlette or uvicorn is not installed.
        OSError: if the port is taken.
    """
    try:
        import uvicorn

        from gatewise.explain.page.server import Server
    except ImportError as error:
        raise ImportError(f'The page needs a small web server: pip install "gatewise[web]" ({error}).') from error
    own = Server(data)
    own.add_models(list(models))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()  # the browser may be faster than the server; it waits in the queue then
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/{own.token}/"
        print(f"gatewise explore: {address}\nCtrl-C ends it.", flush=True)
        if open_browser:
            webbrowser.open(address)
        server = uvicorn.Server(uvicorn.Config(own.app, log_level="warning", access_log=False, server_header=False))
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after it has ended cleanly
            server.run(sockets=[listener])
