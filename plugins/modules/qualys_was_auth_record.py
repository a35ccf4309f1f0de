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
  - Only what is given is compared and written. What is left out is left alone; an empty list, mapping or text clears.
  - A change of one thing never drops a secret. Where Qualys takes a thing only as a whole, with a secret that is not
    given, the task fails and says which secret it needs.
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
      - Whether the record shall exist.
      - A record that a web application uses may not be deletable; Qualys decides.
    type: str
    choices: [present, absent]
    default: present
  id:
    description:
      - Id of the record. Without it, O(name) says which one is meant.
    type: int
  name:
    description:
      - Name of the record. Without O(id) it says which record is meant; names are not unique at Qualys, so that one
        which several records have is refused.
      - With O(id) it is the name that the record shall have.
    type: str
  form:
    description:
      - Login by a form. It can be combined with O(server), but not with O(oauth2), whose place it takes.
      - What is not given is left alone. An empty mapping removes the form.
    type: dict
    suboptions:
      type:
        description:
          - V(STANDARD) has the fields C(username) and C(password), V(CUSTOM) any fields, V(SELENIUM) runs a script.
          - A form of another type is written anew, so that every secret has to be given.
          - One of V(STANDARD), V(CUSTOM), V(SELENIUM), or a word that the record has already.
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
          - Whether the fields C(username) and C(password) stand in for the placeholders of O(form.selenium_script).
        type: bool
      selenium_script:
        description:
          - Script that logs in, for O(form.type=SELENIUM). A change of its name or regular expression writes it anew,
            with its data.
        type: dict
        suboptions:
          name:
            description:
              - Name of the script.
            type: str
          data:
            description:
              - The script, in the HTML format of Selenium IDE. It may hold credentials, and is never compared or
                shown.
            type: str
          regex:
            description:
              - Regular expression that recognises the page after the login.
            type: str
      fields:
        description:
          - Fields of the form. This is the whole list, so that one that is not listed is removed.
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
              - Value of the field. It may be left out for a field that exists.
              - It is a secret if the field is secured, or if its name looks like that of a secret, such as
                C(password). A secret is never compared or shown; other values are.
            type: str
          secured:
            description:
              - Whether Qualys hides the value. For a new field the default is to hide what looks like a secret.
            type: bool
  server:
    description:
      - Login at the server (HTTP authentication, client certificate).
      - What is not given is left alone. An empty mapping removes it.
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
              - Name of the certificate. Another name means another certificate.
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
          - Logins, one for each type. This is the whole list, so that one that is not listed is removed.
        type: list
        elements: dict
        suboptions:
          type:
            description:
              - Kind of authentication.
              - One of V(BASIC), V(DIGEST), V(NTLM), or a word that the record has already.
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
              - Password. It may be left out for a login that exists. It is never compared or shown.
            type: str
  oauth2:
    description:
      - Login by OAuth2. It can be combined with O(server), but not with O(form), whose place it takes.
      - What is not given is left alone. An empty mapping removes it.
    type: dict
    suboptions:
      grant_type:
        description:
          - Kind of grant. V(AUTH_CODE) needs C(selenium_script), C(redirect_url) and C(access_token_url); V(IMPLICIT)
            needs C(selenium_script) and C(redirect_url); V(PASSWORD) needs C(access_token_url), C(username) and
            C(password); V(CLIENT_CREDS) needs C(access_token_url).
          - All but V(IMPLICIT) also take C(client_id), C(client_secret) and C(scope).
          - Another grant is written anew, so that every secret has to be given.
          - One of V(AUTH_CODE), V(IMPLICIT), V(PASSWORD), V(CLIENT_CREDS), or a word that the record has already.
        type: str
      selenium_script:
        description:
          - Script that logs in. A change of its name or regular expression writes it anew, with its data.
        type: dict
        suboptions:
          name:
            description:
              - Name of the script.
            type: str
          data:
            description:
              - The script, in the HTML format of Selenium IDE. It may hold credentials, and is never compared or
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
          - URL that gives access tokens.
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
          - Scope that is asked for.
        type: str
      access_token_expired_msg_pattern:
        description:
          - Regular expression that recognises the message about an expired token.
        type: str
  tags:
    description:
      - Tags, by name or id. Names are compared exactly; digits are taken for an id.
      - An empty list removes all.
    type: list
    elements: str
  tags_mode:
    description:
      - Whether O(tags) is what there shall be (V(set)), or is added to what there is (V(add)), or removed from it
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
      - Entries to remove from O(tags); what is not there is no error.
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
      - Whether O(comments) is what there shall be (V(set)), or is added to what there is (V(add)), or removed from it
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
      - Entries to remove from O(comments); what is not there is no error.
    type: list
    elements: str
  update_secret:
    description:
      - V(on_create) writes a secret only where Qualys holds none yet, that is in a new record, field, script,
        certificate or grant. C(secrets_not_compared) names those that were given and neither compared nor written.
      - V(always) writes every secret that is given, each time, so that the task always reports a change.
    type: str
    choices: [on_create, always]
    default: on_create
notes:
  - Qualys does not let secrets be compared, so none is read, compared or shown. V(VALUE_REDACTED) stands where there is
    one; given back as an option it means that the secret stays as it is.
  - Ansible hides the value of every form field in the results of the task, those of fields that are no secrets too, and
    also where the same text stands elsewhere.
seealso:
  - module: appsec.perimeter.qualys_was_auth_records
  - module: appsec.perimeter.qualys_was_auth_record_info
  - module: appsec.perimeter.qualys_was_webapp
"""

EXAMPLES = r"""
- name: The scanner logs in to the shop by its form
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

- name: The shop uses it
  appsec.perimeter.qualys_was_webapp:
    name: shop
    auth_records_add: [shop login]

- name: The password was changed
  appsec.perimeter.qualys_was_auth_record:
    name: shop login
    form:
      fields:
        - name: username
        - name: password
          value: "{{ shop_scanner_password }}"
    update_secret: always

- name: The gateway asks for a client certificate, and an account of the domain
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

- name: The API is scanned with a token for the client
  appsec.perimeter.qualys_was_auth_record:
    name: orders api
    oauth2:
      grant_type: CLIENT_CREDS
      access_token_url: https://login.example.com/oauth2/token
      client_id: was-scanner
      client_secret: "{{ orders_client_secret }}"
      scope: orders.read

- name: The old login is gone
  appsec.perimeter.qualys_was_auth_record:
    name: old login
    state: absent
"""

RETURN = r"""
auth_record:
  description:
    - The record after the task; in check mode as it would be. Null when it does not exist.
    - Everything that is an option has the form of the option, so that it can be fed back. After O(state=absent) it is
      the record as it was.
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
  description: The secrets that were given, and were neither compared nor written.
  type: list
  elements: str
  returned: O(state=present)
  sample: ["form.fields[password].value"]
unresolved:
  description:
    - Names in the options that no record has, each with the C(option) and the C(kind) of record. Each is a warning too.
    - In check mode they stop nothing, since a task before may be the one that creates the record. In a real run they
      are an error. An id that does not exist is an error in both.
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
