# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the logic of a room as an Ansible module. Only this file calls ``exit_json`` and ``fail_json``.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.parameters import remove_values

from .._base.errors import MissingLibrary, PerimeterError
from .._base.log_text import each_text, fit_for_message, without_workflow_marks
from .._base.masking import MIN_LENGTH
from .._records.result import Result
from .argspec import Spec

if t.TYPE_CHECKING:
    from .._http.session import ServiceClient

_PASSWORD = re.compile(r"://[^:@/\s]*:([^\s]+)@")
TRACEBACK_VERBOSITY = 3
"""From this verbosity (``-vvv``), a failure also shows its place in the code."""

Params = t.Mapping[str, t.Any]
Texts = t.Callable[[Params, t.Mapping[str, str]], t.Iterable[str]]
"""Texts that are found in the options and in the environment."""


C = t.TypeVar("C", bound="ServiceClient")


def run_vendor_module(
    spec: Spec,
    connect: t.Callable[[Params, t.Mapping[str, str]], C],
    run: t.Callable[[Params, C, bool], Result],
    shown: Texts | None = None,
) -> None:
    """Run the logic of a vendor room with a client.

    Args:
        spec: the module's options.
        connect: makes the client from the options and the environment; sends nothing.
        run: the logic.
        shown: returns the values of ``no_log`` options that are not secret, such as the user name in a login form.
    """
    # Imported here only: loading it takes as long as everything else that a module such as report or gate needs.
    from .._http.session import HAS_REQUESTS, REQUESTS_IMPORT_ERROR

    module = AnsibleModule(supports_check_mode=True, **spec.arguments())
    if shown is not None:
        module.no_log_values.difference_update(shown(module.params, os.environ))

    def work() -> Result:
        if not HAS_REQUESTS:
            raise MissingLibrary("requests", REQUESTS_IMPORT_ERROR or "")
        with connect(module.params, os.environ) as client:
            # Ansible's masking does not know secrets from the environment yet.
            module.no_log_values.update(client.secrets())
            try:
                result = run(module.params, client, module.check_mode)
            finally:
                # The client may have a token by now, which the vendor may have repeated in a message.
                module.no_log_values.update(client.secrets())
            result.values["stats"] = client.http.stats.to_dict() | result.values.get("stats", {})
            return result

    _finish(module, work)


def run_local_module(
    spec: Spec,
    run: t.Callable[[Params, bool], Result],
    secrets: Texts | None = None,
    shown: Texts | None = None,
) -> None:
    """Run the logic of a room that needs no client.

    Args:
        spec: the module's options.
        run: the logic.
        secrets: returns the secret values of options and environment that Ansible does not know.
        shown: returns the values of ``no_log`` options that are secret only in part; ``secrets`` returns that part.
    """
    module = AnsibleModule(supports_check_mode=True, **spec.arguments())
    if shown is not None:
        module.no_log_values.difference_update(shown(module.params, os.environ))
    if secrets is not None:
        module.no_log_values.update(secrets(module.params, os.environ))
    _finish(module, lambda: run(module.params, module.check_mode))


def _finish(module: AnsibleModule, work: t.Callable[[], Result]) -> None:
    module.no_log_values.update(_passwords_in(module.params))
    try:
        result = work()
    except PerimeterError as error:
        _fail(module, error)
    except Exception as error:  # noqa: BLE001 - the user gets a sentence, not a traceback
        _fail(module, _unexpected(error))
    for warning in result.warnings:
        # Since ansible-core 2.19, Ansible masks a module's results, but not its warnings.
        module.warn(remove_values(fit_for_message(warning), module.no_log_values))
    values = {"changed": result.changed, **result.values}
    if result.diff is not None and module._diff:
        # Ansible prints the difference as it is.
        values["diff"] = each_text(result.diff, without_workflow_marks)
    if result.error is not None:
        # Ansible prints the whole result of a failed task, at any verbosity.
        _fail(module, result.error, **each_text(values, fit_for_message))
    module.exit_json(**values, **_invocation(module))


def _passwords_in(params: Params) -> set[str]:
    """Passwords in addresses. They are refused there, but Ansible shows the options of a task that fails."""
    inner = (item for value in params.values() if isinstance(value, dict) for item in value.values())
    texts = [value for value in (*params.values(), *inner) if isinstance(value, str) and "@" in value]
    return {found for text in texts for found in _PASSWORD.findall(text) if len(found) >= MIN_LENGTH}


def _invocation(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the options for Ansible to show at ``-vvv``: those that were given or have a default.

    Ansible itself would add all options: for a list of a thousand records, a megabyte of null, which costs a second.
    """
    return {"invocation": {"module_args": _without_none(module.params)}}


def _without_none(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _unexpected(error: Exception) -> PerimeterError:
    # The text of an unexpected error may quote anything, so only its type is shown.
    return PerimeterError(
        f"This module failed with an internal error, {type(error).__name__}.",
        # ansible-core 2.19 and newer show no traceback unless it is requested.
        hint="That is a defect of appsec.perimeter: please report it with the output of -vvv, and with"
        " ANSIBLE_DISPLAY_TRACEBACK=error in the environment.",
    )


def _fail(module: AnsibleModule, error: PerimeterError, **values: t.Any) -> t.NoReturn:
    # When some of many items failed, the error is part of the result, and was not raised.
    if module._verbosity >= TRACEBACK_VERBOSITY and sys.exc_info()[0] is not None:
        values["exception"] = traceback.format_exc()
    if isinstance(error, MissingLibrary):
        message = missing_required_lib(error.library)
        values["exception"] = error.trace
    else:
        message = str(error)
    module.fail_json(msg=message, error=error.to_dict(), **values, **_invocation(module))
    raise AssertionError("fail_json returned")
