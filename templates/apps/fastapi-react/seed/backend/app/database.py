"""The connection to the database and what all tables have in common."""

import datetime as dt
import enum
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Engine,
    Enum,
    Index,
    Numeric,
    Table,
    create_engine,
    event,
    inspect,
    literal,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeDecorator, TypeEngine

log = logging.getLogger(__name__)


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A moment in time: stored in UTC, always returned with its time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True
    python_type = dt.datetime

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            value = value.replace(tzinfo=dt.UTC)
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        # SQLite has no time zones and hands back what was stored without one.
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """An exact number with two decimal places.

    SQLite has only floating point numbers; there it is kept as a whole number of hundredths.
    """

    impl = Numeric(12, 2)
    cache_ok = True
    python_type = Decimal

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(12, 2))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | int | None:
        return int(value * 100) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return Decimal(value) / 100 if value is not None and dialect.name == "sqlite" else value


def enumeration(values: type[enum.StrEnum]) -> Enum:
    """A column for one of several values, stored as text so that values can be added later."""
    return Enum(
        values, native_enum=False, length=50, values_callable=lambda members: [member.value for member in members]
    )


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Base(DeclarativeBase):
    """Base class of all models."""


class TimestampedModel(Base):
    """A row with a number, and the times it was created and last changed."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True, sort_order=-3)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=utc_now, sort_order=-2)
    updated_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now, sort_order=-1)


def connect(url: str) -> Engine:
    """An engine for `url`; no connection is made yet."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", prepare_sqlite)
    return engine


def prepare_sqlite(connection: Any, _record: Any) -> None:
    """Makes SQLite behave like a server: references are checked, readers do not block."""
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    # Its own `lower` knows ASCII only, so a search for "éclair" would miss "Éclair".
    connection.create_function("lower", 1, lambda text: None if text is None else str(text).lower(), deterministic=True)


def create_tables(engine: Engine) -> None:
    """Creates what is missing: tables, columns and indexes. What is there already stays as it is.

    So a database that an earlier version made keeps its rows.
    """
    Base.metadata.create_all(engine)
    inspector = inspect(engine)
    for table in Base.metadata.sorted_tables:
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        indexes = {index["name"] for index in inspector.get_indexes(table.name)}
        for column in table.columns:
            if column.name not in columns:
                add_column(engine, table, column)
        for index in table.indexes:
            if index.name not in indexes:
                add_index(engine, index)


def add_column(engine: Engine, table: Table, column: Column[Any]) -> None:
    """Rows that are there already get a neutral value where they must have one."""
    log.warning("adding the column %s to the table %s", column.name, table.name)
    definition = str(CreateColumn(column).compile(dialect=engine.dialect))
    if not column.nullable:
        value = neutral_value(column)
        if value is None:
            definition = definition.replace(" NOT NULL", "")
        else:
            written = literal(value, column.type).compile(
                dialect=engine.dialect, compile_kwargs={"literal_binds": True}
            )
            definition += f" DEFAULT {written}"
    name = engine.dialect.identifier_preparer.format_table(table)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {definition}".replace("%", "%%"))


def neutral_value(column: Column[Any]) -> Any:
    """What a row has in a column that did not exist when the row was made; None for a reference."""
    if column.foreign_keys:
        return None
    if column.default is not None and column.default.is_scalar:
        return column.default.arg
    now = utc_now()
    neutral = {str: "", int: 0, bool: False, Decimal: Decimal(0), dt.date: now.date(), dt.datetime: now}
    return neutral.get(column.type.python_type)


def add_index(engine: Engine, index: Index) -> None:
    try:
        index.create(engine)
    except IntegrityError:
        log.warning("the index %s is not added: there are rows that break its rule", index.name)


def get_session(request: Request) -> Iterator[Session]:
    """One session per request; what was not committed is rolled back."""
    factory: sessionmaker[Session] = request.app.state.session_factory
    with factory() as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]
