# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options of Carbon Black Cloud, and other options that its modules share. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Address of the console, such as C(https://defense.conferdeploy.net), with or without C(https://).
      - If not set, the environment variable E(CBC_URL) is used.
    type: str
  org_key:
    description:
      - Key of the organisation, such as V(ABCD1234). It is not the API id.
      - If not set, the environment variable E(CBC_ORG_KEY) is used.
    type: str
  api_id:
    description:
      - Id of an API key of type Custom, whose access level has READ of C(workloads.container.image), and CREATE for
        facets.
      - If neither this nor O(csp_client_id) nor O(csp_api_token) is set, the environment variable E(CBC_API_ID) is
        used.
    type: str
  api_secret_key:
    description:
      - Secret of O(api_id).
      - If not set, the environment variable E(CBC_API_SECRET_KEY) is used.
    type: str
  csp_url:
    description:
      - Address that issues tokens of VMware Cloud. The default is C(https://console.cloud.vmware.com).
      - If not set, the environment variable E(CSP_URL) is used.
    type: str
  csp_client_id:
    description:
      - Id of an OAuth app of VMware Cloud, instead of O(api_id).
      - If neither this nor O(api_id) nor O(csp_api_token) is set, the environment variable E(CSP_CLIENT_ID) is used.
    type: str
  csp_client_secret:
    description:
      - Secret of O(csp_client_id).
      - If not set, the environment variable E(CSP_CLIENT_SECRET) is used.
    type: str
  csp_api_token:
    description:
      - API token of a user of VMware Cloud, instead of O(api_id).
      - If neither this nor O(api_id) nor O(csp_client_id) is set, the environment variable E(CSP_API_TOKEN) is used.
    type: str
notes:
  - The service counts calls by source address, and calls during a block prolong the block. So requests are sent one
    after the other, whatever O(max_connections) is. Do not run these modules from many hosts behind one address.
"""

    CRITERIA = r"""
options:
  criteria:
    description:
      - The conditions, as an object in the service's format. All members must match; of a list, one value must match.
        A single text counts as a list of one. Unknown members are refused before anything is sent.
      - C(full_tags) are images with registry, repository, and tag or digest; C(repositories); C(registries);
        C(digests), such as C(sha256:...), which only scanned images have.
      - C(sources) is what triggered the scan, such as V(CLI), V(CLUSTER_SCAN) or V(FEED_UPDATE); C(vulnerabilities) are
        severities that occur in the image, such as V(CRITICAL) or V(HIGH).
      - C(clusters), C(namespaces) and C(hostnames) are where the image runs.
        M(appsec.perimeter.carbon_black_scan_log_metadata_info) lists them.
    type: dict
  search:
    description:
      - Text to search for, which the service calls C(query).
    type: str
"""
