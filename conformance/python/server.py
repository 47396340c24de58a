"""The real server, as a process of its own with fresh data."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("CREDENCE_BINARY", REPOSITORY / "target/debug/credence")).resolve()
# None of the settings that a developer may have in the environment.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("CREDENCE_")}


class Server:
    """A server at a free port. It listens once it is made, and stops at the end of the `with` block."""

    def __enter__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="credence-conformance-")
        self._data_dir = Path(self._directory.name) / "data"
        command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--data-dir", self._data_dir, "--log", "warn"]
        self._process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        address = re.search(r"http://(\S+)/graphql", self._process.stdout.readline())
        if address is None:
            raise RuntimeError(f"The server ended with exit code {self._process.wait()} before it listened.")
        self.url = f"http://{address[1]}/graphql"
        self.web_socket_url = f"ws://{address[1]}/graphql"
        return self

    def __exit__(self, *_failure):
        self._process.terminate()
        # This reads what is left of its output too, so that it never waits for a reader.
        self._process.communicate()
        self._directory.cleanup()
        if self._process.returncode != 0:
            raise RuntimeError(f"The server ended with exit code {self._process.returncode} when it was told to stop.")

    def authorization(self, sub, role):
        """The value of an `Authorization` header for a person of this role."""
        command = [BINARY, "token", "--sub", sub, "--role", role, "--data-dir", self._data_dir]
        token = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout
        return f"Bearer {token.strip()}"
