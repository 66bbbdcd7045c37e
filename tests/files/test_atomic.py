"""Writing a file: the whole new one, or the old one as it was."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from gatewise.files import atomic


def test_replaces_the_file(tmp_path):
    path = tmp_path / "a.bin"
    for content in (b"old", b"new"):
        with atomic.atomic_write(path) as file:
            file.write(content)
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_a_failure_in_the_middle_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic.atomic_write(path) as file:
        file.write(b"half of the n")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_file(tmp_path, monkeypatch, broken):
    def fail(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="No space left"), atomic.atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps = []
    real_sync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(_kind(fd)), real_sync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("rename"), real_replace(a, b)))
    with atomic.atomic_write(tmp_path / "a.bin") as file:
        file.write(b"new")
    assert steps == ["sync file", "rename", "sync folder"]


def _kind(descriptor):
    return "sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file"


@pytest.mark.skipif(os.name != "posix", reason="kills a process by signal")
def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    script = (
        "import sys, time\nfrom gatewise.files.atomic import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half of the n'); file.flush(); print('half', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"half"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    assert path.read_bytes() == b"old"
    with atomic.atomic_write(path) as file:  # what was left behind is in nobody's way
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_readers_see_one_or_the_other(tmp_path):
    """A reader that opened the old file goes on reading it."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with open(path, "rb") as reader:
        with atomic.atomic_write(path) as file:
            file.write(b"newer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"newer"


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_modes_and_links_stay(tmp_path):
    target, link = tmp_path / "target.bin", tmp_path / "link.bin"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    with atomic.atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_what_is_refused(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError, match="overwrite=True"), atomic.atomic_write(path, overwrite=False):
        pass
    with (
        pytest.raises(FileNotFoundError, match="folder .*nowhere does not exist"),
        atomic.atomic_write(tmp_path / "nowhere" / "a.bin"),
    ):
        pass
    with pytest.raises(IsADirectoryError, match="is a folder"), atomic.atomic_write(tmp_path):
        pass
    assert path.read_bytes() == b"old"
