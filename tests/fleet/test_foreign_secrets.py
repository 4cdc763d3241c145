"""Secrets of another account or Region than the fleet's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fleets import AUDIENCE, FLEET, RECORDED, SECRET

from fleet.foreign_secrets import foreign_secrets
from fleet.load import load_fleet

ACCOUNT, REGION = "123456789012", "eu-central-1"
Write = Callable[[str], Path]


@pytest.mark.parametrize(("account", "region"), [(ACCOUNT, REGION), (None, None), (ACCOUNT, None)])
def test_secrets_of_the_fleets_own_place_or_of_a_place_that_nobody_knows_are_fine(
    write_fleet: Write, account: str | None, region: str | None
) -> None:
    assert foreign_secrets(load_fleet(write_fleet(FLEET)), account=account, region=region) == []


def test_secret_of_another_account_is_named_with_its_sites_and_what_to_do(write_fleet: Write) -> None:
    (found,) = foreign_secrets(load_fleet(write_fleet(FLEET)), account="999999999999", region=REGION)
    assert found.startswith(
        f"sites gate, yard: {SECRET} is a secret of account {ACCOUNT}, expected one of 999999999999. Make it"
    )
    assert "aws.secret_keys" in found


def test_secret_of_another_region_is_named_with_the_command_that_replicates_it(write_fleet: Write) -> None:
    (found,) = foreign_secrets(load_fleet(write_fleet(FLEET)), account=ACCOUNT, region="us-east-1")
    assert f"{SECRET} is a secret of Region {REGION}, expected one of us-east-1" in found
    assert (
        f"aws secretsmanager replicate-secret-to-regions --secret-id {SECRET} --region {REGION} "
        "--add-replica-regions Region=us-east-1"
    ) in found


def test_login_of_a_function_may_be_of_another_region_and_not_of_another_account(write_fleet: Write) -> None:
    text = RECORDED.replace(f'login: {{audience: "{AUDIENCE}"}}', f"login: {{secret: {SECRET}}}")
    fleet = load_fleet(write_fleet(text))
    assert foreign_secrets(fleet, account=ACCOUNT, region="us-east-1") == []
    (found,) = foreign_secrets(fleet, account="999999999999", region="us-east-1")
    assert found.startswith(f"gcp.login.secret: {SECRET} is a secret of account {ACCOUNT}")


def test_many_sites_of_one_secret_are_one_sentence(write_fleet: Write) -> None:
    sites = "".join(
        f'  s{number}: {{thing: c{number}, cameras: [{{id: a, uri: "rtsp://h/1", '
        f"credentials: {{secret: {SECRET}}}}}]}}\n"
        for number in range(30)
    )
    (found,) = foreign_secrets(load_fleet(write_fleet(f"sites:\n{sites}")), account=None, region="us-east-1")
    assert found.startswith("sites s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, …: ")


def test_synth_warns_by_the_account_of_the_settings_or_of_the_credentials(
    warnings_of: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(text: str) -> list[str]:
        return [said for said in warnings_of(text) if "is a secret of" in said]

    monkeypatch.delenv("CDK_DEFAULT_ACCOUNT", raising=False)
    monkeypatch.delenv("CDK_DEFAULT_REGION", raising=False)
    assert named(FLEET) == []
    (of_settings,) = named(f'{FLEET}aws: {{account: "999999999999", region: {REGION}}}\n')
    assert f"of account {ACCOUNT}, expected one of 999999999999" in of_settings
    monkeypatch.setenv("CDK_DEFAULT_REGION", "us-east-1")
    (of_credentials,) = named(FLEET)
    assert f"of Region {REGION}, expected one of us-east-1" in of_credentials
