"""Fixtures: an application on a database of its own, emptied for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import sessionmaker

from app import security
from app.config import Settings
from app.database import Base
from app.main import create_app

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    directory: Path = tmp_path_factory.mktemp("application")
    return Settings(
        data_dir=directory / "data",
        database_url=f"sqlite:///{directory / 'test.db'}",
        secret_key="a key for tests that is long enough to sign with",
        token_minutes=60,
        frontend_dir=directory / "dist",
    )


@pytest.fixture(scope="session")
def running_app(settings: Settings) -> Iterator[FastAPI]:
    # Tests sign in all the time; a good hash is slow on purpose.
    security.SCRYPT_N = 2**4
    app = create_app(settings)
    with TestClient(app):
        yield app


@pytest.fixture
def app(running_app: FastAPI) -> Iterator[FastAPI]:
    """The application with empty tables."""
    yield running_app
    factory: sessionmaker = running_app.state.session_factory
    with factory.begin() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())


@pytest.fixture
def visitor(app: FastAPI) -> TestClient:
    """Someone who is not signed in."""
    return TestClient(app)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """A user of the application; signed in where it has accounts."""
    return signed_in(app, "ada@example.com")


@pytest.fixture
def other_client(app: FastAPI) -> TestClient:
    """A second user."""
    return signed_in(app, "bob@example.com")


def signed_in(app: FastAPI, email: str) -> TestClient:
    client = TestClient(app)
    if "/api/auth/register" in app.openapi()["paths"]:
        account = {"email": email, "name": email.partition("@")[0].title(), "password": PASSWORD}
        assert client.post("/api/auth/register", json=account).status_code == 201
        answer = client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client
