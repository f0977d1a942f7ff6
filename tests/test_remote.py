"""A cache shared over SFTP: push, clone elsewhere, and everything is restored without running a stage."""

from __future__ import annotations

import json

import pytest

from tests.clone import Clone, stages_run
from tests.sftp import PASSWORD, SftpServer

pytestmark = pytest.mark.slow


def use_remote(clone: Clone, url: str) -> None:
    clone.dvc("remote", "add", "--local", "--default", "server", url)
    clone.dvc("remote", "modify", "--local", "server", "password", PASSWORD)


def test_fresh_clone_pulls_instead_of_running(pipeline, tmp_path):
    (tmp_path / "served" / "cache").mkdir(parents=True)
    sender = pipeline.copied_to(tmp_path / "sender")
    server = SftpServer(tmp_path / "served")
    with server as url:
        use_remote(sender, url)
        sender.dvc("push", "--run-cache")
        sender.run("git", "clone", "--quiet", str(sender.folder), str(tmp_path / "receiver"))
        receiver = Clone(tmp_path / "receiver")
        assert not (receiver.folder / "data").exists()
        use_remote(receiver, url)
        output = receiver.dvc("repro", "--pull")
    assert server.sessions >= 2
    assert stages_run(output) == set()
    assert json.loads(receiver.dvc("status", "--json")) == {}
    assert receiver.outs() == pipeline.outs()
    assert receiver.run("git", "status", "--porcelain") == ""
    for name in pipeline.outs():
        assert (receiver.folder / name).exists(), name
