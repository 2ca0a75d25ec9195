"""Settings, read once from the environment (see `.env.example`)."""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """What differs between a laptop, a test and production."""

    data_dir: Path
    database_url: str
    secret_key: str | None
    token_minutes: int
    frontend_dir: Path

    @classmethod
    def from_environment(cls) -> "Settings":
        data_dir = Path(os.environ.get("DATA_DIR") or PROJECT_DIR / "data").resolve()
        return cls(
            data_dir=data_dir,
            database_url=with_driver(os.environ.get("DATABASE_URL") or f"sqlite:///{data_dir / 'app.db'}"),
            secret_key=os.environ.get("SECRET_KEY") or None,
            token_minutes=int(os.environ.get("TOKEN_MINUTES") or 7 * 24 * 60),
            frontend_dir=Path(os.environ.get("FRONTEND_DIR") or PROJECT_DIR / "frontend" / "dist").resolve(),
        )


def with_driver(url: str) -> str:
    """Names the PostgreSQL driver that is installed, as SQLAlchemy would guess another one."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
