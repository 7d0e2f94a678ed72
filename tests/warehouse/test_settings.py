"""Settings: what the environment may say, and that a child process gets the same settings."""

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from warehouse.settings import Settings, SettingsError
from warehouse.terms import Terms


def test_variables_give_the_same_settings_again(tmp_path):
    settings = replace(
        Settings.from_env({"LENDING_HOME": str(tmp_path)}),
        env="dev",
        catalog_uri="sqlite:////somewhere.db",
        feast_registry_uri="postgresql+psycopg://feast:secret@db.example/feast",
        online_address="rediss://:secret@cache.example:6380/1",
        terms=Terms("Europe/Prague", "CZK", Decimal("10000"), Decimal("0.005"), 3),
        memory_limit="1GB",
        threads=1,
        first_business_date=date(1993, 1, 1),
        today=date(2025, 6, 30),
        max_feature_age_days=5,
        train_indeterminate_as_good=True,
        api_key_sha256=("ab", "cd"),
        host="127.0.0.2",
        dagster_port=1,
        bentoml_port=2,
        mlflow_port=3,
        reports_port=4,
        crash_at="somewhere",
        dialects=tmp_path / "lender.toml",
        alert_urls=("json://user:secret@hooks.example/lending", "mailto://user:secret@mail.example"),
    )
    (tmp_path / "lender.toml").write_text("[default]\n")
    unchanged = Settings(home=Path("elsewhere"))
    same = [f.name for f in fields(Settings) if getattr(settings, f.name) == getattr(unchanged, f.name)]
    assert same == ["engine"], "give every setting another value than its default here, so that none is forgotten"
    assert Settings.from_env(settings.variables()) == settings


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("LENDING_ENV", "staging", "must be one of local, dev, prod"),
        ("LENDING_GRACE_DAYS", "-1", "must be a whole number, 0 or more"),
        ("LENDING_SETTLEMENT_TOLERANCE_RATIO", "NaN", "must be a number such as 0.01, 0 or more"),
        ("LENDING_TODAY", "30.06.2025", "must be a date such as 2025-06-30"),
        ("LENDING_TIME_ZONE", "Saigon", "must be an IANA time zone"),
    ],
)
def test_an_error_names_variable_value_and_rule(variable, value, rule):
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({variable: value})
    assert str(refused.value).startswith(f"{variable}={value!r}")
    assert rule in str(refused.value)


def test_no_value_of_the_production_record_belongs_to_another_environment(tmp_path):
    values = Settings.from_env({"LENDING_HOME": str(tmp_path), "LENDING_ENV": "prod"}).variables().items()
    words = {word for name, value in values if name != "LENDING_HOME" for word in value.replace("/", " ").split()}
    assert not words & {"local", "dev", "branch"}


def test_what_a_home_remembers_gives_way_to_the_environment(tmp_path):
    home = {"LENDING_HOME": str(tmp_path)}
    replace(Settings.from_env(home), today=date(2025, 6, 30), max_feature_age_days=9).remember("LENDING_TODAY")
    assert Settings.from_env(home).today == date(2025, 6, 30)
    assert Settings.from_env(home).max_feature_age_days == 3, "only what was named is remembered"
    assert Settings.from_env(home | {"LENDING_TODAY": "2025-07-01"}).today == date(2025, 7, 1)
    (tmp_path / "lending.env").write_text("TODAY=2025-06-30\n")
    with pytest.raises(SettingsError, match="must be LENDING_NAME=value"):
        Settings.from_env(home)


def test_no_text_of_the_settings_holds_an_address_of_alerts(tmp_path):
    settings = Settings.from_env({"LENDING_HOME": str(tmp_path), "LENDING_ALERT_URLS": "json://user:secret@hooks.example"})
    assert settings.alert_urls == ("json://user:secret@hooks.example",)
    assert "secret" not in f"{settings} {settings!r}"
    (tmp_path / "lending.env").write_text("export LENDING_ALERT_URLS=json://user:secret@hooks.example\n")
    with pytest.raises(SettingsError, match="must be LENDING_NAME=value") as refused:
        Settings.from_env({"LENDING_HOME": str(tmp_path)})
    assert "secret" not in str(refused.value)


def test_the_address_of_the_online_store_is_a_redis_server_and_in_no_text(tmp_path):
    settings = Settings.from_env({"LENDING_HOME": str(tmp_path), "LENDING_ONLINE_STORE": "redis://:secret@cache.example:6379/0"})
    assert settings.online_address == "redis://:secret@cache.example:6379/0"
    assert "secret" not in f"{settings} {settings!r}"
    cut = [f"rediss://default:12{sign}secret@cache.example:6379/0" for sign in "/?#["] + ["rediss://default:secret/xyz@cache.example"]
    for wrong in ("http://:secret@cache.example", "secret", "redis://", "redis://cache.example:secret", *cut):
        with pytest.raises(SettingsError, match="LENDING_ONLINE_STORE: must be empty, redis://host:port/0") as refused:
            Settings.from_env({"LENDING_HOME": str(tmp_path), "LENDING_ONLINE_STORE": wrong})
        assert "secret" not in str(refused.value)


def test_a_file_of_dialects_is_found_in_the_home_and_checked_at_the_start(tmp_path):
    home = {"LENDING_HOME": str(tmp_path)}
    assert Settings.from_env(home).dialects is None
    (tmp_path / "dialects.toml").write_text('[repayments]\ndecimal = ","\ndelimiter = ";"\n')
    assert Settings.from_env(home).dialects == tmp_path / "dialects.toml"
    (tmp_path / "dialects.toml").write_text('[payments]\ndecimal = ","\n')
    with pytest.raises(SettingsError, match=r"LENDING_DIALECTS: .*dialects.toml: \[payments\]: no source table has this name"):
        Settings.from_env(home)
    with pytest.raises(SettingsError, match=r"absent.toml: cannot be read as TOML"):
        Settings.from_env(home | {"LENDING_DIALECTS": str(tmp_path / "absent.toml")})
