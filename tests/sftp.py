"""A real SFTP server on the loopback interface, in a thread of its own: ``with SftpServer(folder) as url``."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import asyncssh

USER, PASSWORD = "reader", "loopback"


class _Login(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


class SftpServer:
    """Serves ``folder`` as / to USER with PASSWORD on a free port; entering returns the URL for `dvc remote add`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sessions = 0

    def __enter__(self) -> str:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result(30)
        return f"ssh://{USER}@127.0.0.1:{self.server.get_port()}/cache"

    async def _listen(self) -> asyncssh.SSHAcceptor:
        def rooted(channel: asyncssh.SSHServerChannel) -> asyncssh.SFTPServer:
            self.sessions += 1
            return asyncssh.SFTPServer(channel, chroot=str(self.folder).encode())

        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=_Login, sftp_factory=rooted,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.server.close)
        asyncio.run_coroutine_threadsafe(self.server.wait_closed(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
