"""What every application does: health, contract, errors, and the page around the API."""

from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import Boolean, Column, Date, Integer, MetaData, String, Table, inspect

from app.config import Settings, with_driver
from app.database import ExactDecimal, UtcDateTime, add_column, add_index, connect
from app.errors import describe_conflict
from app.main import create_app
from app.security import create_token, hash_password, read_token, secret_key, verify_password


def settings_in(directory: Path, secret: str | None = None) -> Settings:
    return Settings(
        data_dir=directory / "data",
        database_url=f"sqlite:///{directory / 'test.db'}",
        secret_key=secret,
        token_minutes=60,
        frontend_dir=directory / "dist",
    )


def test_health(visitor: TestClient) -> None:
    answer = visitor.get("/api/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


def test_serves_its_contract(visitor: TestClient) -> None:
    answer = visitor.get("/api/openapi.json")
    assert answer.status_code == 200
    assert "/api/health" in answer.json()["paths"]


def test_unknown_api_path_is_a_json_404(visitor: TestClient) -> None:
    answer = visitor.get("/api/nothing-here")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no /api/nothing-here"


def test_serves_the_built_interface(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    (dist / "_app").mkdir(parents=True)
    (dist / "index.html").write_text("<title>Start</title>")
    (dist / "_app" / "app.js").write_text("export {};")
    (tmp_path / "private.txt").write_text("not for you")
    with TestClient(create_app(settings_in(tmp_path))) as client:
        assert "Start" in client.get("/").text
        assert "Start" in client.get("/some/page/of/the/interface").text
        assert client.get("/_app/app.js").text == "export {};"
        assert "not for you" not in client.get("/%2e%2e/private.txt").text
        assert client.get("/api/unknown").status_code == 404


def test_says_when_the_interface_is_not_built(visitor: TestClient) -> None:
    answer = visitor.get("/")
    assert answer.status_code == 404
    assert "not built" in answer.json()["detail"]


def test_a_database_of_an_earlier_version_keeps_its_rows(tmp_path: Path) -> None:
    metadata = MetaData()
    engine = connect(f"sqlite:///{tmp_path / 'old.db'}")
    things = Table("things", metadata, Column("id", Integer, primary_key=True))
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(things.insert().values(id=1))

    added = [
        Column("name", String(20), nullable=False, index=True),
        Column("price", ExactDecimal, nullable=False),
        Column("day", Date, nullable=False),
        Column("moment", UtcDateTime, nullable=False),
        Column("done", Boolean, nullable=False, default=False),
        Column("note", String(20)),
    ]
    for column in added:
        things.append_column(column)
        add_column(engine, things, column)
    for index in things.indexes:
        add_index(engine, index)
    with engine.connect() as connection:
        row = connection.execute(things.select()).one()
    assert (row.id, row.name, row.price, row.done, row.note) == (1, "", 0, False, None)
    assert row.day is not None
    assert row.moment.tzinfo is not None
    assert [index["name"] for index in inspect(engine).get_indexes("things")] == ["ix_things_name"]


def test_passwords_are_hashed_and_verified() -> None:
    stored = hash_password("correct horse")
    assert "correct horse" not in stored
    assert stored != hash_password("correct horse")
    assert verify_password("correct horse", stored)
    assert not verify_password("wrong horse", stored)
    assert not verify_password("correct horse", "damaged")


def test_tokens_are_signed(tmp_path: Path) -> None:
    ours, theirs = settings_in(tmp_path, "k" * 40), settings_in(tmp_path, "x" * 40)
    assert read_token(ours, create_token(ours, 7)) == 7
    assert read_token(ours, create_token(theirs, 7)) is None
    assert read_token(ours, "not a token") is None


def test_secret_key_is_kept_and_private(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    key = secret_key(settings)
    assert len(key) >= 40
    assert secret_key(settings) == key
    assert (settings.data_dir / "secret.key").stat().st_mode & 0o077 == 0


def test_conflicts_name_the_field() -> None:
    assert describe_conflict("UNIQUE constraint failed: tags.name") == "Another record already has this name."
    assert "short code" in describe_conflict("Key (owner_id, short_code)=(1, x) already exists.")


def test_postgresql_addresses_name_the_installed_driver() -> None:
    assert with_driver("postgres://u:p@db/app") == "postgresql+psycopg://u:p@db/app"
    assert with_driver("sqlite:///x.db") == "sqlite:///x.db"
