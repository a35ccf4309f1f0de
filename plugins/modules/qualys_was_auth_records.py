#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage many authentication records in Qualys WAS in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_auth_records
short_description: Manage many authentication records in Qualys WAS in one task
version_added: 1.0.0
description:
  - Creates, updates and deletes any number of authentication records in Qualys Web Application Scanning.
  - All records are read once, differences are written in parallel, and each record has its own result. A failure of one
    does not stop the others.
  - An update never removes a secret that is not given, see M(appsec.perimeter.qualys_was_auth_record).
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._qualys.filters
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Secrets cannot be compared. With O(auth_records[].update_secret=always) they are written each time.
options:
  state:
    description:
      - V(present) creates and updates O(auth_records). V(absent) deletes the records that O(ids) or O(filters) select.
    type: str
    choices: [present, absent]
    default: present
  auth_records:
    description:
      - The desired records.
    type: list
    elements: dict
    suboptions:
      # Written by tests/tools/module_docs.py from the options of qualys_was_auth_record.
      id:
        description:
          - Id of the record. Without it, O(auth_records[].name) identifies the record.
        type: int
      name:
        description:
          - Name of the record. Without O(auth_records[].id), it identifies the record. Names are not unique at Qualys.
            If several records have the name, the task fails.
          - With O(auth_records[].id), it is the desired name of the record.
        type: str
      form:
        description:
          - Login with a form. It can be combined with O(auth_records[].server), but not with O(auth_records[].oauth2),
            which it replaces.
          - Members that are omitted are left alone. An empty mapping removes the form.
        type: dict
        suboptions:
          type:
            description:
              - V(STANDARD) has the fields C(username) and C(password), V(CUSTOM) any fields, V(SELENIUM) runs a script.
              - Changing the type replaces the whole form, so every secret has to be given.
              - One of V(STANDARD), V(CUSTOM), V(SELENIUM), or the value that the record already has.
            type: str
          ssl_only:
            description:
              - Whether the login is only sent over TLS.
            type: bool
          auth_vault:
            description:
              - Whether the login comes from a vault, so that O(auth_records[].form.fields) needs no password.
            type: bool
          selenium_creds:
            description:
              - Whether the fields C(username) and C(password) replace the placeholders in
                O(auth_records[].form.selenium_script).
            type: bool
          selenium_script:
            description:
              - Script that logs in, for O(auth_records[].form.type=SELENIUM). If its name or regular expression
                changes, its data has to be given too, because the script is written as a whole.
            type: dict
            suboptions:
              name:
                description:
                  - Name of the script.
                type: str
              data:
                description:
                  - The script, in the HTML format of Selenium IDE. It may contain credentials, and is never compared or
                    shown.
                type: str
              regex:
                description:
                  - Regular expression that recognises the page after the login.
                type: str
          fields:
            description:
              - Fields of the form. This is the whole list, so fields that are not listed are removed.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - Name of the field.
                type: str
                required: true
              value:
                description:
                  - Value of the field. It may be omitted for an existing field.
                  - It is a secret if the field is secured, or if its name indicates a secret, such as C(password). A
                    secret is never compared or shown; other values are.
                type: str
              secured:
                description:
                  - Whether Qualys hides the value. By default, a new field is secured if its name indicates a secret.
                type: bool
      server:
        description:
          - Login at the server (HTTP authentication, client certificate).
          - Members that are omitted are left alone. An empty mapping removes it.
        type: dict
        suboptions:
          ssl_only:
            description:
              - Whether the login is only sent over TLS.
            type: bool
          auth_vault:
            description:
              - Whether the login comes from a vault, so that O(auth_records[].server.fields) needs no password.
            type: bool
          certificate:
            description:
              - Client certificate. It is written as a whole. An empty mapping removes it.
            type: dict
            suboptions:
              name:
                description:
                  - Name of the certificate. Another name stands for another certificate.
                type: str
              contents:
                description:
                  - Certificate and private key as PEM. It is never compared or shown.
                type: str
              passphrase:
                description:
                  - Passphrase of the private key. It is never compared or shown.
                type: str
          fields:
            description:
              - Logins, one for each type. This is the whole list, so logins that are not listed are removed.
            type: list
            elements: dict
            suboptions:
              type:
                description:
                  - Kind of authentication.
                  - One of V(BASIC), V(DIGEST), V(NTLM), or the value that the record already has.
                type: str
                required: true
              domain:
                description:
                  - Domain or realm of the user.
                type: str
              username:
                description:
                  - User name.
                type: str
              password:
                description:
                  - Password. It may be omitted for an existing login. It is never compared or shown.
                type: str
      oauth2:
        description:
          - Login with OAuth2. It can be combined with O(auth_records[].server), but not with O(auth_records[].form),
            which it replaces.
          - Members that are omitted are left alone. An empty mapping removes it.
        type: dict
        suboptions:
          grant_type:
            description:
              - Type of the grant. V(AUTH_CODE) requires C(selenium_script), C(redirect_url) and C(access_token_url);
                V(IMPLICIT) requires C(selenium_script) and C(redirect_url); V(PASSWORD) requires C(access_token_url),
                C(username) and C(password); V(CLIENT_CREDS) requires C(access_token_url).
              - All except V(IMPLICIT) also allow C(client_id), C(client_secret) and C(scope).
              - Changing the grant replaces the whole part, so every secret has to be given.
              - One of V(AUTH_CODE), V(IMPLICIT), V(PASSWORD), V(CLIENT_CREDS), or the value that the record already
                has.
            type: str
          selenium_script:
            description:
              - Script that logs in. If its name or regular expression changes, its data has to be given too, because
                the script is written as a whole.
            type: dict
            suboptions:
              name:
                description:
                  - Name of the script.
                type: str
              data:
                description:
                  - The script, in the HTML format of Selenium IDE. It may contain credentials, and is never compared or
                    shown.
                type: str
              regex:
                description:
                  - Regular expression that recognises the page after the login.
                type: str
          selenium_creds:
            description:
              - Whether the script uses the credentials of the record.
            type: bool
          redirect_url:
            description:
              - URL to which the authorization server redirects.
            type: str
          access_token_url:
            description:
              - URL that issues access tokens.
            type: str
          username:
            description:
              - User name, for the grant V(PASSWORD).
            type: str
          password:
            description:
              - Password, for the grant V(PASSWORD). It is never compared or shown.
            type: str
          client_id:
            description:
              - Id of the client.
            type: str
          client_secret:
            description:
              - Secret of the client. It is never compared or shown.
            type: str
          scope:
            description:
              - Scope to request.
            type: str
          access_token_expired_msg_pattern:
            description:
              - Regular expression that recognises the message about an expired token.
            type: str
      tags:
        description:
          - Tags, by name or id. Names are compared exactly; digits are read as an id.
          - An empty list removes all.
        type: list
        elements: str
      tags_mode:
        description:
          - Whether O(auth_records[].tags) replaces the present entries (V(set)), is added to them (V(add)), or is
            removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      tags_add:
        description:
          - Entries to add to O(auth_records[].tags); can be combined with O(auth_records[].tags_remove) in one update.
        type: list
        elements: str
      tags_remove:
        description:
          - Entries to remove from O(auth_records[].tags); missing ones are ignored.
        type: list
        elements: str
      comments:
        description:
          - Comments. One with the same text is not added again.
          - An empty list removes all.
        type: list
        elements: str
      comments_mode:
        description:
          - Whether O(auth_records[].comments) replaces the present entries (V(set)), is added to them (V(add)), or is
            removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      comments_add:
        description:
          - Entries to add to O(auth_records[].comments); can be combined with O(auth_records[].comments_remove) in one
            update.
        type: list
        elements: str
      comments_remove:
        description:
          - Entries to remove from O(auth_records[].comments); missing ones are ignored.
        type: list
        elements: str
      update_secret:
        description:
          - V(on_create) only writes a secret if Qualys has none yet, which is the case for a new record, field, script,
            certificate or grant. C(secrets_not_compared) lists those that were given but neither compared nor written.
          - V(always) writes every given secret each time, so the task always reports a change.
        type: str
        choices: [on_create, always]
        default: on_create
  prune:
    description:
      - Whether to delete records that match O(prune_filters) and are not listed.
    type: bool
    default: false
  prune_filters:
    description:
      - Filters for the records that this task owns, in the form of O(filters). Required for O(prune).
    type: list
    elements: dict
    suboptions:
      field:
        description:
          - Name of the field, as Qualys writes it.
        type: str
        required: true
      operator:
        description:
          - Operator, as the type of the field allows.
          - The default is V(EQUALS), and V(IN) when O(prune_filters[].value) is a list.
        type: str
      value:
        description:
          - Value to compare with; a list for V(IN).
        type: raw
      name:
        description:
          - Name of the custom attribute; authentication records have none.
        type: str
  ids:
    description:
      - Records to delete, for O(state=absent). Ids that do not exist are ignored.
    type: list
    elements: int
  max_deletes:
    description:
      - Maximum number of records to delete. If more match, nothing is changed.
      - Required with O(prune), and with O(filters) with O(state=absent); there is no default.
    type: int
notes:
  - Secrets cannot be read from Qualys, so they are neither compared nor shown. V(VALUE_REDACTED) stands for a secret;
    given as an option, it leaves the secret as it is.
  - Ansible hides the values of all form fields in the results of the task, including those that are not secret,
    wherever the same text appears.
  - A filter is never sent to a delete call. It is resolved to ids by a complete search, O(max_deletes) is checked, and
    only these ids are deleted.
seealso:
  - module: appsec.perimeter.qualys_was_auth_record
  - module: appsec.perimeter.qualys_was_auth_record_info
"""

EXAMPLES = r"""
- name: Manage the logins of team checkout, and delete up to three that are not listed
  appsec.perimeter.qualys_was_auth_records:
    auth_records:
      - name: shop login
        form:
          type: STANDARD
          fields:
            - name: username
              value: scanner
            - name: password
              value: "{{ shop_scanner_password }}"
        tags: [team-checkout]
      - name: orders api
        oauth2:
          grant_type: CLIENT_CREDS
          access_token_url: https://login.example.com/oauth2/token
          client_id: was-scanner
          client_secret: "{{ orders_client_secret }}"
        tags: [team-checkout]
    prune: true
    prune_filters:
      - field: tags.name
        value: team-checkout
    max_deletes: 3

- name: Delete records that no web application uses
  appsec.perimeter.qualys_was_auth_records:
    state: absent
    filters:
      - field: isUsed
        value: false
    max_deletes: 20
"""

RETURN = r"""
plan:
  description: What was done; in check mode what would be done.
  type: dict
  returned: always
  sample:
    create: ["authentication record 'orders api'"]
    update: ["authentication record 'shop login'"]
    delete: ["authentication record 31012 (old login)"]
    unchanged: 12
results:
  description:
    - One entry for each of O(auth_records), in their order, and one for each deletion that failed.
    - C(fields) lists the options that differed, C(secrets_not_compared) the secrets that were given, but neither
      compared nor written.
  type: list
  elements: dict
  returned: always
  sample:
    - id: 31001
      name: shop login
      action: update
      changed: true
      failed: false
      fields: [tags]
      secrets_not_compared: ["form.fields[password].value"]
deleted:
  description: The records that were deleted; in check mode, those that would be.
  type: list
  elements: dict
  returned: always
  sample:
    - {id: 31012, name: old login}
unresolved:
  description:
    - Names in the options that no record has, each with the C(option) and the C(kind) of record. There is also a
      warning for each.
    - In check mode they are not an error, because an earlier task may create the record. In a real run they are an
      error. An id that does not exist is always an error.
  type: list
  elements: dict
  returned: check mode, when there are any
  sample:
    - {option: tags, kind: tag, name: prod}
stats:
  description: Statistics of the task. Times are in seconds.
  type: dict
  returned: always
  sample: {requests: 3, retries: 0, bytes: 20480, connections: 1, waited: 0.0, elapsed: 0.4}
error:
  description: The error as data, with C(kind), C(message), C(hint) and the vendor's own C(code).
  type: dict
  returned: failure
  sample:
    kind: authentication
    message: "Qualys answered search/was/webappauthrecord with INVALID_CREDENTIALS: Authentication failed."
    hint: Check username and password (or client_id and client_secret), and the platform.
    code: INVALID_CREDENTIALS
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec, filter_option
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record import run_many
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_fields import OPTIONS
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_parts import plain_values


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "auth_records": {
                "type": "list",
                "elements": "dict",
                "options": {"id": {"type": "int"}, **OPTIONS},
            },
            "prune": {"type": "bool", "default": False},
            **filter_option("prune_filters"),
            "ids": {"type": "list", "elements": "int"},
            **filter_option("filters"),
            "max_deletes": {"type": "int"},
        },
        mutually_exclusive=[("auth_records", "ids"), ("auth_records", "filters"), ("ids", "filters")],
        required_if=[("state", "present", ("auth_records",)), ("prune", True, ("prune_filters", "max_deletes"))],
    )
    run_vendor_module(QUALYS.merge(own), connect, run_many, shown=plain_values)


if __name__ == "__main__":
    main()
