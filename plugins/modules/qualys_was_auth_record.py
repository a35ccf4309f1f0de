#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage one authentication record in Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_auth_record
short_description: Manage an authentication record in Qualys WAS
version_added: 1.0.0
description:
  - Creates, updates and deletes an authentication record in Qualys Web Application Scanning, with which the scanner
    logs in.
  - Options that are omitted are left alone; an empty list, mapping or text clears. Only differences are written.
  - An update never removes a secret that is not given. If Qualys only accepts an element as a whole, and its secret is
    not given, the task fails and names the missing secret.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
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
      - Secrets cannot be compared. With O(update_secret=always) they are written each time.
options:
  # The options x_mode, x_add and x_remove of a list x are written by tests/tools/module_docs.py.
  state:
    description:
      - Whether the record should exist.
      - Qualys may refuse to delete a record that a web application uses.
    type: str
    choices: [present, absent]
    default: present
  id:
    description:
      - Id of the record. Without it, O(name) identifies the record.
    type: int
  name:
    description:
      - Name of the record. Without O(id), it identifies the record. Names are not unique at Qualys. If several records
        have the name, the task fails.
      - With O(id), it is the desired name of the record.
    type: str
  form:
    description:
      - Login with a form. It can be combined with O(server), but not with O(oauth2), which it replaces.
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
          - Whether the login comes from a vault, so that O(form.fields) needs no password.
        type: bool
      selenium_creds:
        description:
          - Whether the fields C(username) and C(password) replace the placeholders in O(form.selenium_script).
        type: bool
      selenium_script:
        description:
          - Script that logs in, for O(form.type=SELENIUM). If its name or regular expression changes, its data has to
            be given too, because the script is written as a whole.
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
              - It is a secret if the field is secured, or if its name indicates a secret, such as C(password). A secret
                is never compared or shown; other values are.
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
          - Whether the login comes from a vault, so that O(server.fields) needs no password.
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
      - Login with OAuth2. It can be combined with O(server), but not with O(form), which it replaces.
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
          - One of V(AUTH_CODE), V(IMPLICIT), V(PASSWORD), V(CLIENT_CREDS), or the value that the record already has.
        type: str
      selenium_script:
        description:
          - Script that logs in. If its name or regular expression changes, its data has to be given too, because the
            script is written as a whole.
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
      - Whether O(tags) replaces the present entries (V(set)), is added to them (V(add)), or is removed from them
        (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  tags_add:
    description:
      - Entries to add to O(tags); can be combined with O(tags_remove) in one update.
    type: list
    elements: str
  tags_remove:
    description:
      - Entries to remove from O(tags); missing ones are ignored.
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
      - Whether O(comments) replaces the present entries (V(set)), is added to them (V(add)), or is removed from them
        (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  comments_add:
    description:
      - Entries to add to O(comments); can be combined with O(comments_remove) in one update.
    type: list
    elements: str
  comments_remove:
    description:
      - Entries to remove from O(comments); missing ones are ignored.
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
notes:
  - Secrets cannot be read from Qualys, so they are neither compared nor shown. V(VALUE_REDACTED) stands for a secret;
    given as an option, it leaves the secret as it is.
  - Ansible hides the values of all form fields in the results of the task, including those that are not secret,
    wherever the same text appears.
seealso:
  - module: appsec.perimeter.qualys_was_auth_records
  - module: appsec.perimeter.qualys_was_auth_record_info
  - module: appsec.perimeter.qualys_was_webapp
"""

EXAMPLES = r"""
- name: Manage the login form of the shop
  appsec.perimeter.qualys_was_auth_record:
    name: shop login
    form:
      type: STANDARD
      ssl_only: true
      fields:
        - name: username
          value: scanner
        - name: password
          value: "{{ shop_scanner_password }}"
          secured: true
    tags: [prod]

- name: Attach it to the shop
  appsec.perimeter.qualys_was_webapp:
    name: shop
    auth_records_add: [shop login]

- name: Change the password
  appsec.perimeter.qualys_was_auth_record:
    name: shop login
    form:
      fields:
        - name: username
        - name: password
          value: "{{ shop_scanner_password }}"
    update_secret: always

- name: Log in at the gateway with a client certificate and a domain account
  appsec.perimeter.qualys_was_auth_record:
    name: gateway login
    server:
      ssl_only: true
      certificate:
        name: scanner.pem
        contents: "{{ lookup('ansible.builtin.file', 'scanner.pem') }}"
        passphrase: "{{ scanner_key_passphrase }}"
      fields:
        - type: NTLM
          domain: CORP
          username: svc-scanner
          password: "{{ scanner_domain_password }}"

- name: Scan the API with a token for the client
  appsec.perimeter.qualys_was_auth_record:
    name: orders api
    oauth2:
      grant_type: CLIENT_CREDS
      access_token_url: https://login.example.com/oauth2/token
      client_id: was-scanner
      client_secret: "{{ orders_client_secret }}"
      scope: orders.read

- name: Delete the old login
  appsec.perimeter.qualys_was_auth_record:
    name: old login
    state: absent
"""

RETURN = r"""
auth_record:
  description:
    - The record after the task; in check mode as it would be. Null if it does not exist.
    - Everything that is an option has the form of the option, so that it can be used as such. After O(state=absent) it
      is the record as it was before.
  type: dict
  returned: success
  sample:
    id: 31001
    name: shop login
    form:
      type: STANDARD
      ssl_only: true
      auth_vault: false
      selenium_creds: false
      selenium_script: null
      fields:
        - {name: username, value: scanner, secured: false}
        - {name: password, value: VALUE_REDACTED, secured: true}
    server: null
    oauth2: null
    tags: [prod]
    comments: [managed by Ansible]
    owner: jdoe
    created: "2026-01-05T09:00:00Z"
    updated: "2026-10-01T12:00:00Z"
    created_by: jdoe
    updated_by: jdoe
secrets_not_compared:
  description: The secrets that were given, but neither compared nor written.
  type: list
  elements: str
  returned: O(state=present)
  sample: ["form.fields[password].value"]
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

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record import run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_fields import OPTIONS
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_parts import plain_values


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "id": {"type": "int"},
            **OPTIONS,
        },
        required_one_of=[("id", "name")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run, shown=plain_values)


if __name__ == "__main__":
    main()
