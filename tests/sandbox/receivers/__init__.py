# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for what takes records: a Splunk event collector, an Elasticsearch bulk API, a webhook."""

from .room import Receivers, ReceiversSettings

__all__ = ["Receivers", "ReceiversSettings"]
