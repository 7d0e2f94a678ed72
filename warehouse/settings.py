"""Settings: the one place that reads the environment.

The three entry points (Dagster definitions, the BentoML service, the `lending` command) call Settings.from_env() once and pass the
record down. Nothing else in the code base reads os.environ, so that a test or a second lender needs only another record.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from warehouse.terms import Terms

ENVIRONMENTS = ("local", "dev", "prod")
ENGINES = ("duckdb",)

# Every library that would report usage over the network is told not to, before it is imported.
TELEMETRY_OFF = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "true",
    "FEAST_USAGE": "False",
    "DAGSTER_DISABLE_TELEMETRY": "true",
    "DISABLE_PANDERA_IMPORT_WARNING": "True",
    "GIT_PYTHON_REFRESH": "quiet",
}


DIALECTS = "dialects.toml"  # of one home, if LENDING_DIALECTS names no other file
REMEMBERED = "lending.env"  # variables of one home, one NAME=value a line; the environment goes before them


class SettingsError(ValueError):
    """An environment variable holds a value that the platform cannot use."""


@dataclass(frozen=True)
class Settings:
    """All configuration of one process.

    Attributes:
        home: folder that holds all state (landing, lake, catalog, online store, runs, reports).
        env: local, dev or prod.
        engine: compute engine of the Ibis expressions.
        catalog_uri: database of the Iceberg catalog and of the releases, as an SQLAlchemy address.
        feast_registry_uri: database of the Feast registry, as an SQLAlchemy address; the file of the home if it is empty. It may hold a
            password, so it is in no text of these settings.
        online_address: Redis server of the online store, as redis://host:port/0; the SQLite file of the home if it is empty. It may hold a
            password, so it is in no text of these settings.
        terms: what the lender sets about its definitions.
        memory_limit: what the engine may hold in memory before it spills to disk, such as `4GB`.
        threads: threads of the engine.
        first_business_date: earliest business date that the platform accepts; the first daily partition.
        today: the service clock; None means the system date in the lender's time zone.
        max_feature_age_days: the endpoint refuses to score on an online generation older than this.
        train_indeterminate_as_good: train on clients whose worst days past due were 30 to 89 as good ones, for sensitivity runs.
        api_key_sha256: SHA-256 hex digests of the API keys that the endpoint accepts.
        host: address that servers bind to.
        dagster_port: of the Dagster UI.
        bentoml_port: of the scoring endpoint.
        mlflow_port: of the MLflow UI.
        reports_port: of the report pages.
        dialects: TOML file that declares how the lender writes the text of its files; None if all are plain.
        alert_urls: addresses that alerts go to, as apprise writes them; they hold passwords, so they are in no text of these settings.
        crash_at: name of a crash point at which the process ends itself; for crash tests only.
    """

    home: Path
    env: str = "local"
    engine: str = "duckdb"
    catalog_uri: str = ""
    feast_registry_uri: str = field(default="", repr=False)
    online_address: str = field(default="", repr=False)
    terms: Terms = field(default_factory=Terms)
    memory_limit: str = "4GB"
    threads: int = 2
    first_business_date: date = date(1990, 1, 1)
    today: date | None = None
    max_feature_age_days: int = 3
    train_indeterminate_as_good: bool = False
    api_key_sha256: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    dagster_port: int = 3000
    bentoml_port: int = 3001
    mlflow_port: int = 5000
    reports_port: int = 8080
    dialects: Path | None = None
    alert_urls: tuple[str, ...] = field(default=(), repr=False)
    crash_at: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from environment variables that begin with LENDING_.

        Args:
            env: variables to read instead of the process environment.

        Raises:
            SettingsError: a variable is set to something that is not allowed; the message names it, its value and the rule.
        """
        source = os.environ if env is None else env
        home = Path(source.get("LENDING_HOME") or ".lending").absolute()
        source = {**_remembered(home / REMEMBERED), **{name: value for name, value in source.items() if value}}
        if env is None:
            for name, value in TELEMETRY_OFF.items():
                os.environ.setdefault(name, value)
        read = _Reader(source)
        return cls(
            home=home,
            env=read.choice("LENDING_ENV", "local", ENVIRONMENTS),
            engine=read.choice("LENDING_ENGINE", "duckdb", ENGINES),
            catalog_uri=read.text("LENDING_CATALOG_URI", f"sqlite:///{home}/catalog.db"),
            feast_registry_uri=read.text("LENDING_FEAST_REGISTRY", ""),
            online_address=read.redis("LENDING_ONLINE_STORE"),
            terms=Terms(
                time_zone=read.zone("LENDING_TIME_ZONE", Terms.time_zone),
                currency=read.text("LENDING_CURRENCY", Terms.currency),
                settlement_tolerance_amount=read.amount("LENDING_SETTLEMENT_TOLERANCE_AMOUNT", Terms.settlement_tolerance_amount),
                settlement_tolerance_ratio=read.amount("LENDING_SETTLEMENT_TOLERANCE_RATIO", Terms.settlement_tolerance_ratio),
                grace_days=read.count("LENDING_GRACE_DAYS", Terms.grace_days),
            ),
            memory_limit=read.text("LENDING_MEMORY_LIMIT", cls.memory_limit),
            threads=read.count("LENDING_THREADS", cls.threads),
            first_business_date=read.day("LENDING_FIRST_BUSINESS_DATE") or cls.first_business_date,
            today=read.day("LENDING_TODAY"),
            max_feature_age_days=read.count("LENDING_MAX_FEATURE_AGE_DAYS", cls.max_feature_age_days),
            train_indeterminate_as_good=read.flag("LENDING_TRAIN_INDETERMINATE_AS_GOOD"),
            api_key_sha256=tuple(read.text("LENDING_API_KEY_SHA256", "").replace(",", " ").split()),
            host=read.text("LENDING_HOST", cls.host),
            dagster_port=read.count("LENDING_DAGSTER_PORT", cls.dagster_port),
            bentoml_port=read.count("LENDING_BENTOML_PORT", cls.bentoml_port),
            mlflow_port=read.count("LENDING_MLFLOW_PORT", cls.mlflow_port),
            reports_port=read.count("LENDING_REPORTS_PORT", cls.reports_port),
            dialects=read.dialects("LENDING_DIALECTS", home / DIALECTS),
            alert_urls=tuple(read.text("LENDING_ALERT_URLS", "").split()),
            crash_at=read.text("LENDING_CRASH_AT", ""),
        )

    def variables(self) -> dict[str, str]:
        """The environment variables that give these settings again, for processes that this one starts."""
        values = {
            "LENDING_HOME": self.home,
            "LENDING_ENV": self.env,
            "LENDING_ENGINE": self.engine,
            "LENDING_CATALOG_URI": self.catalog_uri,
            "LENDING_FEAST_REGISTRY": self.feast_registry_uri,
            "LENDING_ONLINE_STORE": self.online_address,
            "LENDING_TIME_ZONE": self.terms.time_zone,
            "LENDING_CURRENCY": self.terms.currency,
            "LENDING_SETTLEMENT_TOLERANCE_AMOUNT": self.terms.settlement_tolerance_amount,
            "LENDING_SETTLEMENT_TOLERANCE_RATIO": self.terms.settlement_tolerance_ratio,
            "LENDING_GRACE_DAYS": self.terms.grace_days,
            "LENDING_MEMORY_LIMIT": self.memory_limit,
            "LENDING_THREADS": self.threads,
            "LENDING_FIRST_BUSINESS_DATE": self.first_business_date,
            "LENDING_TODAY": self.today or "",
            "LENDING_MAX_FEATURE_AGE_DAYS": self.max_feature_age_days,
            "LENDING_TRAIN_INDETERMINATE_AS_GOOD": str(self.train_indeterminate_as_good).lower(),
            "LENDING_API_KEY_SHA256": ",".join(self.api_key_sha256),
            "LENDING_HOST": self.host,
            "LENDING_DAGSTER_PORT": self.dagster_port,
            "LENDING_BENTOML_PORT": self.bentoml_port,
            "LENDING_MLFLOW_PORT": self.mlflow_port,
            "LENDING_REPORTS_PORT": self.reports_port,
            "LENDING_DIALECTS": self.dialects or "",
            "LENDING_ALERT_URLS": " ".join(self.alert_urls),
            "LENDING_CRASH_AT": self.crash_at,
        }
        return TELEMETRY_OFF | {name: str(value) for name, value in values.items()}

    def remember(self, *names: str) -> None:
        """Keep some variables in $LENDING_HOME/lending.env, where later processes find them unless their environment has others."""
        values = _remembered(self.home / REMEMBERED) | {name: self.variables()[name] for name in names}
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / REMEMBERED).write_text("".join(f"{name}={value}\n" for name, value in sorted(values.items())))

    def process_environment(self) -> dict[str, str]:
        """The environment for a process that this one starts: its own, with these settings."""
        return {**os.environ, **self.variables()}

    @property
    def landing(self) -> Path:
        """Folder of delivered files, one sub-folder a business date."""
        return self.home / "landing"

    @property
    def lake(self) -> Path:
        """Folder of the Iceberg tables."""
        return self.home / "lake"

    @property
    def online_store(self) -> Path:
        """File of the SQLite online store, unless online_address names a Redis server."""
        return self.home / "online.db"

    @property
    def feast_registry(self) -> Path:
        """File of the Feast registry, unless feast_registry_uri names a database."""
        return self.home / "feast_registry.db"

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking and registry database."""
        return f"sqlite:///{self.home}/mlflow.db"

    @property
    def artifacts(self) -> Path:
        """Folder of MLflow artifacts."""
        return self.home / "artifacts"

    @property
    def bundles(self) -> Path:
        """Folder of promoted model bundles, which serving reads."""
        return self.home / "bundles"

    @property
    def prediction_spool(self) -> Path:
        """Folder of prediction log files that no asset has compacted yet."""
        return self.home / "predictions"

    @property
    def reports(self) -> Path:
        """Folder of report pages."""
        return self.home / "reports"

    @property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance."""
        return self.home / "dagster"


def _remembered(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    lines = [line.strip() for line in file.read_text().splitlines()]
    wrong = [line for line in lines if line and not line.startswith("#") and not line.startswith("LENDING_")]
    if wrong:
        raise SettingsError(f"{file}: {wrong[0].partition('=')[0]!r}: must be LENDING_NAME=value")
    return {name: value for name, _, value in (line.partition("=") for line in lines if line.startswith("LENDING_"))}


class _Reader:
    """Typed access to environment variables, with errors that name the variable."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def text(self, name: str, default: str) -> str:
        return self._env.get(name, "") or default

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise SettingsError(f"{name}={value!r}: must be one of {', '.join(allowed)}")
        return value

    def count(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if not value.isdecimal():
            raise SettingsError(f"{name}={value!r}: must be a whole number, 0 or more")
        return int(value)

    def flag(self, name: str) -> bool:
        return self.choice(name, "false", ("true", "false")) == "true"

    def amount(self, name: str, default: Decimal) -> Decimal:
        value = self.text(name, str(default))
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number < 0:
            raise SettingsError(f"{name}={value!r}: must be a number such as 0.01, 0 or more")
        return number

    def day(self, name: str) -> date | None:
        value = self.text(name, "")
        try:
            return date.fromisoformat(value) if value else None
        except ValueError:
            raise SettingsError(f"{name}={value!r}: must be a date such as 2025-06-30") from None

    def redis(self, name: str) -> str:
        """The address of a Redis server, or nothing; the message has no password."""
        address = self.text(name, "")
        if address and not _is_redis(address):
            raise SettingsError(
                f"{name}: must be empty, redis://host:port/0 or rediss://host:port/0; write / ? # % of a password as %2F %3F %23 %25"
            )
        return address

    def dialects(self, name: str, default: Path) -> Path | None:
        """The file of dialects, checked; None if none is named and the default is not there."""
        named = self._env.get(name, "")
        if not named and not default.exists():
            return None
        from warehouse.sources.dialect import DialectError, read_dialects  # here, because most homes have none and it takes a second

        path = Path(named).absolute() if named else default
        try:
            read_dialects(path)
        except DialectError as error:
            raise SettingsError(f"{name}: {error}") from None
        return path

    def zone(self, name: str, default: str) -> str:
        value = self.text(name, default)
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise SettingsError(f"{name}={value!r}: must be an IANA time zone such as {default}") from None
        return value


def _is_redis(address: str) -> bool:
    """Whether a text is the address of a Redis server; the errors of its parts would show some of the password."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises if it is no number
    except ValueError:
        return False
    is_cut = "@" in parts.path + parts.query + parts.fragment  # by a / ? or # in the password
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and not is_cut
