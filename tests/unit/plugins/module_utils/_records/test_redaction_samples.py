# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence as it comes in practice loses its secrets, and keeps the rest.

The samples were written from the kinds of evidence, not from the redactor's rules, and it does not know them.
"""

from __future__ import annotations

import collections
import re
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._records.redact import redact_text

from ..redaction_kit import SAMPLES, Sample, by_family, forms, fragments, leaks, load, losses, table

SECRETS = load("secrets")
HARMLESS = load("harmless")
FAMILY_AT_LEAST = 0.80
VENDOR_TOKEN = re.compile(
    r"(?:gh[opsur]|npm|hf)_\w{30}|github_pat_\w{20}|glpat-[\w-]{20}|xox[bp]-[\w-]{20}|[sr]k_live_\w{16}|whsec_\w{16}"
    r"|A[KS]IA[A-Z2-7]{16}|AIza[\w-]{35}|SG\.[\w-]{22}\.|pypi-\w{16}|dop_v1_\w{32}|shpat_\w{32}|sk-ant-\w{5}|hvs\.\w{24}"
    r"|glsa_\w{32}|dckr_pat_\w{20}|AGE-SECRET-KEY-1|hooks\.slack\.com/services/|PRIVATE KEY|eyJ[\w-]+\.eyJ"
)


def redacted(text: str) -> str:
    """The one way through which every vendor room's evidence goes."""
    return redact_text(text) or ""


def test_at_least_95_percent_of_the_secrets_are_removed() -> None:
    failed = {sample.id: left for sample in SECRETS if (left := leaks(sample, redacted(sample.text)))}
    check(SECRETS, failed, at_least=0.95)


def test_at_least_95_percent_of_them_keep_what_stands_beside_the_secret() -> None:
    failed = {sample.id: lost for sample in SECRETS if (lost := losses(sample, redacted(sample.text)))}
    check(SECRETS, failed, at_least=0.95)


def test_at_least_99_percent_of_harmless_texts_are_unchanged() -> None:
    failed = {sample.id: after for sample in HARMLESS if (after := redacted(sample.text)) != sample.text}
    check(HARMLESS, failed, at_least=0.99)


def check(samples: list[Sample], failed: dict[str, Any], *, at_least: float) -> None:
    """The share of the whole set, and of each family, that did not fail is large enough; else the table is shown."""
    shares = {family: 1 - len(ids) / total for family, (ids, total) in by_family(samples, failed).items()}
    low = sorted(family for family, share in shares.items() if share < FAMILY_AT_LEAST)
    share = 1 - len(failed) / len(samples)
    if share < at_least or low:
        pytest.fail(
            f"{share:.1%} passed; families below {FAMILY_AT_LEAST:.0%}: {low}\n{table(samples, failed)}", pytrace=False
        )


@pytest.mark.parametrize(("samples", "families"), [(SECRETS, 25), (HARMLESS, 20)], ids=["secrets", "harmless"])
def test_a_set_has_300_different_samples_spread_evenly_over_its_families(samples: list[Sample], families: int) -> None:
    assert len({sample.id for sample in samples}) == len({sample.text for sample in samples}) == 300
    counted = collections.Counter(sample.family for sample in samples)
    assert len(counted) == families
    assert set(counted.values()) == {300 // families}


@pytest.mark.parametrize("sample", SECRETS, ids=lambda sample: sample.id)
def test_a_sample_holds_its_secrets_and_tells_them_from_the_rest(sample: Sample) -> None:
    assert sample.secrets
    assert not losses(sample, sample.text)
    assert leaks(sample, sample.text) == list(sample.secrets)
    rest = forms(sample.text)
    for secret in sorted(sample.secrets, key=len, reverse=True):
        rest = rest.replace(secret, "")
    assert not [piece for secret in sample.secrets for piece in fragments(secret) if piece in rest]


@pytest.mark.parametrize(
    ("after", "left"),
    [
        ("token=VALUE_REDACTED&page=2", []),
        ("token=quartz********2345&page=2", []),
        ("token=VALUE_REDACTEDotter82345&page=2", ["quartzotter82345"]),
        ("body=dG9rZW49cXVhcnR6b3R0ZXI4MjM0NQ==", ["quartzotter82345"]),
        ("body=dG9rZW49cXVhcnR6\n b3R0ZXI4MjM0NQ==", ["quartzotter82345"]),
    ],
)
def test_half_of_a_secret_is_a_leak_in_plain_and_in_base64(after: str, left: list[str]) -> None:
    assert leaks(Sample("x-01", "x", "", ("quartzotter82345",), ()), after) == left


@pytest.mark.parametrize("name", ["secrets", "harmless"])
def test_no_token_of_a_vendor_is_stored_in_one_piece(name: str) -> None:
    assert VENDOR_TOKEN.findall((SAMPLES / f"{name}.json").read_text(encoding="utf-8")) == []
