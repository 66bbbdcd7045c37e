"""The page's server: who may see it, and what it takes."""

import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile

import numpy as np
import pytest

from gatewise.explain.page import server as page_server
from gatewise.explain.page.report import page_data
from page.page_models import HOSTILE, data, model

testclient = pytest.importorskip("starlette.testclient")


def client(host="127.0.0.1:8000", models=()):
    own = page_server.Server(page_data(list(models)), token="secret-token")
    return testclient.TestClient(own.app, base_url=f"http://{host}"), own


def archive(tmp_path, name="forecast"):
    path = tmp_path / "m.keras"
    model(name).save(path)
    return path.read_bytes()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def send(browser, kind, content, name="file"):
    return browser.post(f"/secret-token/{kind}", content=content, headers={"X-File-Name": name})


def test_the_page_and_its_files():
    browser, _ = client()
    page = browser.get("/secret-token/")
    assert page.status_code == 200 and '<script type="module" src="page.js">' in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff" and page.headers["referrer-policy"] == "no-referrer"
    for name, kind in (("page.js", "text/javascript"), ("cells.js", "text/javascript"), ("page.css", "text/css")):
        answer = browser.get(f"/secret-token/{name}")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "127.0.0.1:80a", "[::1]", "0.0.0.0"]
)
def test_foreign_hosts_are_refused(host):
    browser, _ = client()
    answer = browser.get("/secret-token/", headers={"Host": host})
    assert answer.status_code == 421 and "gatewise-data" not in answer.text
    assert browser.post("/secret-token/model", content=b"x", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/secret-tokeN/", "/secret-token2/", "//secret/", "/é/", "/secret/page.js"]
)
def test_without_the_token_there_is_nothing(path):
    browser, _ = client()
    answer = browser.get(path)
    assert answer.status_code == 403 and "token" in answer.text and "secret-token" not in answer.text
    assert "content-security-policy" in answer.headers


def test_each_run_has_its_own_token():
    first, second = (page_server.Server(page_data([])).token for _ in range(2))
    assert first != second and len(first) >= 32


@pytest.mark.parametrize(
    "name", ["../server.py", "..%2fserver.py", "%2e%2e/%2e%2e/texts.py", "page.html", "....//page.js", "/etc/passwd",
             "static/page.js", "page.js%00.css", "..\\server.py"],
)  # fmt: skip
def test_paths_do_not_leave_the_list_of_files(name):
    browser, _ = client()
    answer = browser.get(f"/secret-token/{name}")
    assert answer.status_code in (403, 404) and "import" not in answer.text


def test_a_model_and_its_data(tmp_path):
    browser, _ = client()
    answer = send(browser, "model", archive(tmp_path), "..%2F..%2Fmy%20model.keras").json()
    assert answer["chosen"] == 0 and answer["models"][0]["name"] == "my model.keras"
    assert [layer["samples"] for layer in answer["models"][0]["layers"]] == [0, 0, 0]
    buffer = io.BytesIO()
    np.savez(buffer, x=data())
    table = "a,b,c\n" + "\n".join(",".join(map(str, row)) for row in data()[0].tolist())
    for content, samples in ((npy(data()), 5), (buffer.getvalue(), 5), (table.encode(), 1)):
        answer = send(browser, "data", content).json()
        assert [layer["samples"] for layer in answer["models"][0]["layers"]] == [samples] * 3
    assert "models" in answer and json.loads(page_of(browser))["models"][0]["layers"][0]["samples"] == 1


def page_of(browser):
    return browser.get("/secret-token/").text.split('id="gatewise-data">')[1].split("</script>")[0]


def test_too_long_an_upload_is_not_taken(monkeypatch):
    browser, _ = client()
    monkeypatch.setattr(page_server, "MAX_UPLOAD_BYTES", 1 << 20)
    told = send(browser, "model", b"x" * ((1 << 20) + 1))
    assert told.status_code == 413 and told.json()["error"] == "A file of more than 1 MB is not taken."
    pieces = (b"y" * 65536 for _ in range(17))  # without a declared length
    assert browser.post("/secret-token/data", content=pieces).status_code == 413


def hostile_archive(config):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("config.json", config)
        target.writestr("model.weights.h5", b"no")
        target.writestr("metadata.json", "{}")
    return buffer.getvalue()


CODE = {"class_name": "__lambda__", "config": {"code": "4wEAAAAA", "defaults": None, "closure": None}}
LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": CODE}}


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", b"PK\x03\x04 broken", pickle.dumps({"a": 1}), hostile_archive("[1"), hostile_archive("{}"),
     hostile_archive(json.dumps(LAMBDA)), hostile_archive(json.dumps({"class_name": "os.system", "config": {}}))],
)  # fmt: skip
def test_garbage_is_refused_with_words(content):
    browser, own = client()
    answer = send(browser, "model", content, HOSTILE)
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] and "/tmp" not in answer.json()["error"] and own._data["models"] == []


def test_garbage_as_data(tmp_path):
    browser, _ = client()
    assert "Open a model first" in send(browser, "data", npy(data())).json()["error"]
    send(browser, "model", archive(tmp_path))
    claims = npy(data()).replace(b"(5, 7, 3)", b"(9, 9, 9)")
    bombs = io.BytesIO()
    with zipfile.ZipFile(bombs, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("x.npy", b"\x93NUMPY" + bytes(520 << 20))
    cases = [
        (b"\x00\xff", "neither"), (b"\x93NUMPY\x01\x00", "no array"), (claims, "whole"), (b"PKbroken", "no .npz"),
        (npy(np.array([{"a": 1}], object)), "plain numbers"), (bombs.getvalue(), "too large"),
        (b"a,b\n1,2\n3", "as many"),
        (npy(np.zeros((2, 7, 9), "float32")), "expected"), (b"name\n", "no rows"),
        (npy(np.zeros((0, 7, 3))), "cannot be shown"),
    ]  # fmt: skip
    for content, words in cases:
        answer = send(browser, "data", content)
        assert answer.status_code == 422 and words in answer.json()["error"], (words, answer.json())


def test_other_methods_are_refused():
    browser, _ = client()
    assert browser.post("/secret-token/").status_code == 405
    assert browser.delete("/secret-token/model").status_code in (404, 405)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as SIGINT")
def test_the_command_serves_on_loopback_and_ends_with_ctrl_c():
    command = [sys.executable, "-m", "gatewise", "explore", "--no-browser", "--lang", "zh"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{32,}/", process.stdout.readline())[0]
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert '"lang":"zh"' in answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address[: address.index("/", 8)] + "/x/", timeout=20)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0 and process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
