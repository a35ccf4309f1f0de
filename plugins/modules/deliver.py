#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliver collected logs to a SIEM or a database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deliver
short_description: Deliver collected logs to a SIEM or a database
version_added: 1.0.0
description:
  - Sends the records in a stream directory, written by a C(_export) module or by M(appsec.perimeter.finding_changes),
    to a receiver, continuing where the last run stopped.
  - Each receiver has its own position under O(state_dir). It moves only after the receiver has acknowledged a
    batch.
  - Delivery to SQL is exactly once, by key and content. Delivery to Elasticsearch is exactly once within one backing
    index. Delivery to Splunk, syslog and webhooks is at least once. Every message carries C(delivery_id), which is
    always the same for the same record. If it also carries C(content), a receiver can drop messages that are equal in
    both; C(delivery_id) alone may be the same for two records of a service.
  - A record that a receiver will never accept goes to a quarantine file with the reason, and does not hold up the
    others. If a receiver refuses every record of a batch of several, or at least ten records and half of a batch for
    the same reason, that is an error instead, and nothing is set aside.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._connection
attributes:
  action_group:
    description: Use C(group/appsec.perimeter.all) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - appsec.perimeter.all
  check_mode:
    support: full
    details:
      - The spool is read and counted, and nothing is sent. Records that would be duplicates count as
        delivered.
  diff_mode:
    support: none
    details:
      - The records are too many to be shown as a difference.
  idempotent:
    support: full
    details:
      - A run with nothing new sends nothing.
options:
  spool:
    description:
      - The stream directory, which is O(appsec.perimeter.edgecast_waf_event_export#module:dest) of the module that
        collects, or O(appsec.perimeter.finding_changes#module:dest).
    type: path
    required: true
  where:
    description:
      - JMESPath expression that is applied to each record. A record for which it is false, null or empty is not sent;
        it counts in RV(filtered), and the position moves past it. The default is to send all records.
      - An invalid expression is an error before anything is sent. If a function cannot be applied to a record, the task
        fails there, and the position stays before it. A stream may have records of several kinds, so test C(record)
        first.
      - Each expression has its own position. With another expression, the spool is delivered from its beginning;
        records that are sent again have the same C(delivery_id). The position file of an expression that is no longer
        used, and its mark in the spool, prevent the removal of old files until both are deleted.
    type: str
  sink:
    description:
      - The kind of receiver.
      - V(splunk_hec) is the HTTP event collector of Splunk.
      - V(elasticsearch) is the bulk API of Elasticsearch and OpenSearch.
      - V(syslog) is RFC 5424 over TCP or TLS, with octet counting.
      - V(webhook) is any address that accepts a POST.
      - V(sql) is a table in SQLite or PostgreSQL.
    type: str
    choices: [splunk_hec, elasticsearch, syslog, webhook, sql]
    required: true
  sink_options:
    description:
      - The address of the receiver, its credentials, and the form of the records.
    type: dict
    default: {}
    suboptions:
      url:
        description:
          - Address of the receiver, for V(splunk_hec), V(elasticsearch) and V(webhook). A query string is sent, but
            never shown; V(splunk_hec) accepts none.
          - The address of a V(webhook) is a credential, as it is for Slack, Teams and most others. Only its host is
            shown, with a short hash of the rest. If not set, the environment variable E(PERIMETER_WEBHOOK_URL) is used.
        type: str
      token:
        description:
          - Token of V(splunk_hec), or the bearer token of V(webhook).
          - If not set, the environment variable E(PERIMETER_SPLUNK_TOKEN) is used for V(splunk_hec), and
            E(PERIMETER_WEBHOOK_TOKEN) for V(webhook).
        type: str
      username:
        description:
          - User of V(elasticsearch).
          - If not set, the environment variable E(PERIMETER_ELASTICSEARCH_USERNAME) is used, unless
            O(sink_options.api_key) is set.
        type: str
      password:
        description:
          - Password of O(sink_options.username).
          - If not set, the environment variable E(PERIMETER_ELASTICSEARCH_PASSWORD) is used, unless
            O(sink_options.api_key) is set.
        type: str
      api_key:
        description:
          - API key of V(elasticsearch), encoded as the service shows it; instead of user and password.
          - If not set, the environment variable E(PERIMETER_ELASTICSEARCH_API_KEY) is used, unless
            O(sink_options.username) or O(sink_options.password) is set.
        type: str
      index:
        description:
          - Index or data stream of V(elasticsearch), where it is required, or index of V(splunk_hec).
        type: str
      failure_store:
        description:
          - What to do with a record that V(elasticsearch) accepts but stores in the failure store of the data stream,
            where no search of the index finds it.
          - With V(quarantine), it goes to the quarantine file as well. With V(fail), the task fails and the position
            stays.
        type: str
        choices: [quarantine, fail]
        default: quarantine
      sourcetype:
        description:
          - Source type of V(splunk_hec). The default is C(perimeter:<source>:<record>).
        type: str
      acknowledge:
        description:
          - Whether to wait until V(splunk_hec) says that events are indexed. The token must have indexer
            acknowledgement switched on. Without it, the events are only known to have been received.
        type: bool
        default: false
      host:
        description:
          - Host name of the V(syslog) receiver.
        type: str
      port:
        description:
          - Port of the V(syslog) receiver. The default is 6514 with TLS, and 601 without.
        type: int
      tls:
        description:
          - Whether V(syslog) uses TLS. Without it, the receiver must be this machine, unless O(allow_http) is true.
        type: bool
        default: true
      facility:
        description:
          - Facility of the V(syslog) messages.
        type: str
        default: local0
      app_name:
        description:
          - Application name of the V(syslog) messages.
        type: str
        default: appsec.perimeter
      enterprise_id:
        description:
          - Private enterprise number in the structured data of V(syslog). The default is the one for documentation.
        type: int
        default: 32473
      max_message:
        description:
          - Maximum bytes of a V(syslog) message, at least 480; longer ones go to quarantine. Set it to what the
            receiver accepts. rsyslog truncates at 8 KiB unless it is configured otherwise.
        type: int
        default: 65536
      format:
        description:
          - V(json) or V(cef) for V(syslog); V(ndjson) or V(json) for V(webhook). The default is V(json) for syslog and
            V(ndjson) for a webhook.
        type: str
        choices: [json, ndjson, cef]
      signature_secret:
        description:
          - Secret with which the body for a V(webhook) is signed, with HMAC-SHA-256 in the header
            C(X-Perimeter-Signature).
          - If not set, the environment variable E(PERIMETER_WEBHOOK_SIGNATURE_SECRET) is used.
        type: str
      database_url:
        description:
          - Database of V(sql), such as V(sqlite:////srv/perimeter.db) or V(postgresql://user@host/database).
          - If not set, the environment variable E(PERIMETER_SQL_DATABASE_URL) is used.
          - Only the password in it is secret, and parameters of its query that are not well known.
          - A PostgreSQL on another machine must present a trusted certificate with its name, as with
            C(sslmode=verify-full), unless the URL sets another C(sslmode) or O(allow_http) is true. The CAs are those
            of O(ca_path), else those of C(PGSSLROOTCERT), else those of the system.
          - The server of a PostgreSQL URL is determined by libpq, from the URL with C(host), C(hostaddr) and C(service)
            in its query, a service file, and environment variables of libpq such as C(PGHOST) and C(PGSERVICE).
        type: str
      table:
        description:
          - Table of V(sql). It is created if it is missing, and so is a view with the suffix C(_newest). The table has
            each content of each record once; the view has the latest content of each record.
        type: str
        default: perimeter_records
      schema:
        description:
          - Schema of the table, for PostgreSQL.
        type: str
      batch_records:
        description:
          - Maximum number of records in a batch, at least 1. The default depends on the sink.
        type: int
notes:
  - Records contain attack payloads. They are always treated as data, and escaped for each receiver.
  - V(sql) needs the Python package C(sqlalchemy), and C(psycopg) for PostgreSQL.
seealso:
  - ref: ansible_collections.appsec.perimeter.docsite.delivering_logs
    description: Receivers, guarantees and quarantine.
  - module: appsec.perimeter.finding_changes
"""

EXAMPLES = r"""
- name: Deliver events of the firewall to PostgreSQL
  appsec.perimeter.deliver:
    spool: /srv/waf/edgecast
    sink: sql
    sink_options:
      database_url: "{{ lookup('ansible.builtin.env', 'WAF_DATABASE_URL') }}"

- name: Deliver events of the firewall to Splunk, with the token from the environment
  appsec.perimeter.deliver:
    spool: /srv/waf/edgecast
    sink: splunk_hec
    sink_options:
      url: https://splunk.example.com:8088
      index: waf

- name: Deliver events that the firewall did not block to a separate index of Splunk as well
  appsec.perimeter.deliver:
    spool: /srv/waf/edgecast
    where: record == 'event' && action != 'blocked'
    sink: splunk_hec
    sink_options:
      url: https://splunk.example.com:8088
      index: waf_passed

- name: Deliver events of the firewall to a syslog receiver over TLS
  appsec.perimeter.deliver:
    spool: /srv/waf/edgecast
    sink: syslog
    sink_options:
      host: syslog.example.com
    ca_path: /etc/ssl/company-ca.pem
"""

RETURN = r"""
collected:
  description:
    - Number of lines of the spool that this run processed. It is RV(delivered) + RV(duplicate) + RV(dropped) +
      RV(quarantined) + RV(filtered).
  type: int
  returned: success, or when the receiver fails
  sample: 1200
delivered:
  description: Number of records that the receiver accepted.
  type: int
  returned: success, or when the receiver fails
  sample: 1190
duplicate:
  description: Number of records that the receiver already had.
  type: int
  returned: success, or when the receiver fails
  sample: 8
dropped:
  description: Number of records that the receiver accepted but dropped by its own rules, such as an ingest pipeline.
  type: int
  returned: success, or when the receiver fails
  sample: 0
quarantined:
  description: Number of records that were refused permanently.
  type: int
  returned: success, or when the receiver fails
  sample: 2
filtered:
  description: Number of records that were not sent, because O(where) is not true for them.
  type: int
  returned: success, or when the receiver fails
  sample: 0
quarantine:
  description: File with the refused records; null if there never were any.
  type: str
  returned: success, or when the receiver fails
  sample: /var/lib/perimeter/deliver/sql-0011223344556677.quarantine.ndjson
complete:
  description: Whether everything in the spool has been delivered.
  type: bool
  returned: success, or when the receiver fails
  sample: true
target:
  description: The receiver, without credentials. For a webhook, it is the host and a short hash of the rest.
  type: str
  returned: success, or when the receiver fails
  sample: postgresql+psycopg://db.example.com/waf#perimeter_records
totals:
  description: The same counters since the position was created.
  type: dict
  returned: success, or when the receiver fails
  sample: {delivered: 812345, duplicate: 8, dropped: 0, quarantined: 2, filtered: 0}
stats:
  description: Statistics of the task; the counters depend on the sink.
  type: dict
  returned: success, or when the receiver fails
  sample: {batches: 2, transactions: 2}
error:
  description: The error as data, with C(kind), C(message), C(hint) and the receiver's own C(code).
  type: dict
  returned: failure
  sample:
    kind: connection
    message: >-
      sql: postgresql+psycopg://db.example.com/waf#perimeter_records failed (OperationalError: nothing listens at that
      address and port).
    hint: "Check sink_options.database_url and the rights of its user. Nothing is lost: the next run continues."
    code: null
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.run import run, secrets_of, shown_of
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import DELIVER
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_local_module


def main() -> None:
    """Entry point."""
    run_local_module(DELIVER, run, secrets_of, shown_of)


if __name__ == "__main__":
    main()
