"""Settings, read once from the environment (`ORDERS_…`)."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ORDERS_")

    database_url: str = "postgresql+psycopg://orders@db/orders"
    redis_url: str = "redis://redis:6379/0"
    temporal_address: str = "temporal:7233"

    payments_url: str = "https://api.payments.example"
    payments_token: str = ""
    webhook_secret: str = ""

    carrier_url: str = "https://api.carrier.example/v2"
    carrier_token: str = ""

    mail_url: str = "https://mail.internal.example"
    mail_token: str = ""

    ledger_url: str = "https://ledger.internal.example"
    ledger_token: str = ""

    export_dir: str = "/var/lib/orders/exports"


settings = Settings()
