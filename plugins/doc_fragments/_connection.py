# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options that all vendors share. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - requests
options:
  timeout:
    description:
      - Seconds without any response after which a request is abandoned. Connecting may take at most 15 seconds. A whole
        answer may take ten times as long.
    type: float
    default: 60
  retries:
    description:
      - How often a request that only reads is repeated after a temporary fault.
      - A write is never repeated when the service may have acted on it.
    type: int
    default: 5
  max_wait:
    description:
      - Total seconds that this task may spend waiting, because the service asks to slow down or before a retry.
    type: float
    default: 900
  max_connections:
    description:
      - Maximum number of concurrent requests. The default is V(4).
      - When the service asks to slow down, fewer are used for a while.
    type: int
  validate_certs:
    description:
      - Whether the certificate of the service must be trusted. Leave this at V(true) outside of tests.
    type: bool
    default: true
  ca_path:
    description:
      - File with CA certificates, or directory with hashed names, that replaces the default ones.
      - If not set, the environment variable E(PERIMETER_CA_PATH) is used.
    type: path
  client_cert:
    description:
      - PEM file with the certificate that identifies this client.
    type: path
  client_key:
    description:
      - PEM file with the key of O(client_cert), when it is not in the same file.
    type: path
  proxy:
    description:
      - URL of the proxy. It takes precedence over the usual environment variables; E(NO_PROXY) is honoured.
      - The usual environment variables do not apply to this machine itself (C(localhost)), but this option does.
      - If not set, the environment variable E(PERIMETER_PROXY) is used.
    type: str
  state_dir:
    description:
      - Folder for data that is kept between tasks, such as positions and caches. The default is the user's XDG state
        folder.
      - A folder that everybody can write to, or that belongs to neither this user nor root nor a group of this user, is
        refused. A folder that its group can write to causes a warning.
      - If not set, the environment variable E(PERIMETER_STATE_DIR) is used.
    type: path
  allow_http:
    description:
      - Whether plain http may be used for hosts other than this one. Credentials are then sent unprotected.
    type: bool
    default: false
"""

    # What differs for plugins: modules take these from the environment by their argument specification.
    PLUGIN = r"""
options:
  ca_path:
    env:
      - name: PERIMETER_CA_PATH
  proxy:
    env:
      - name: PERIMETER_PROXY
  state_dir:
    env:
      - name: PERIMETER_STATE_DIR
"""
