# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the sandbox over TLS and runs qualysdk, an independent client, against it.

Needs qualysdk and trustme in the environment, which the nox session ``sdk-proof`` installs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import trustme

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Return the exit status of ``tests/sandbox/prove_qualysdk.py``."""
    with tempfile.TemporaryDirectory(prefix="sdk-proof-") as name:
        folder = Path(name)
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(folder / "ca.pem")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        for number, blob in enumerate(certificate.cert_chain_pems):
            blob.write_to_path(folder / "cert.pem", append=number > 0)
        files = ("--certfile", str(folder / "cert.pem"), "--keyfile", str(folder / "key.pem"))
        sandbox = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox", *files],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = sandbox.stdout.readline() if sandbox.stdout else ""
            if not line:
                print("The sandbox did not start.")
                return 1
            url = json.loads(line)["url"]
            environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"), "NO_PROXY": "127.0.0.1"}
            proof = [sys.executable, str(ROOT / "tests" / "sandbox" / "prove_qualysdk.py"), url]
            return subprocess.run(proof, env=environment, check=False).returncode
        finally:
            sandbox.terminate()
            sandbox.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(main())
