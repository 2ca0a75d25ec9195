"""Lists: searching, sorting and paging, the same for every kind of record."""

from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Select, String, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

Item = TypeVar("Item")

MAX_PAGE_SIZE = 100


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    total: int = Field(description="How many records match, on all pages")
    page: int
    page_size: int


@dataclass(frozen=True)
class ListParameters:
    """The parameters that every list takes."""

    q: Annotated[str | None, Query(max_length=200, description="Text to search for")] = None
    order: Annotated[Literal["asc", "desc"], Query(description="Direction of the sort")] = "asc"
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1
    page_size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = 20


ListDep = Annotated[ListParameters, Depends()]


def matches(text: str | None, columns: list[InstrumentedAttribute[Any]]) -> list[ColumnElement[bool]]:
    """The condition that one of the columns contains the text; none when there is no text."""
    words = (text or "").split()
    return [or_(*(contains(column, word) for column in columns)) for word in words] if columns else []


def contains(column: InstrumentedAttribute[Any], word: str) -> ColumnElement[bool]:
    return func.lower(column).contains(word.lower(), autoescape=True)


def paginate(
    session: Session,
    statement: Select[Any],
    parameters: ListParameters,
    sort: InstrumentedAttribute[Any],
    key: InstrumentedAttribute[int],
) -> dict[str, Any]:
    """Runs `statement` for one page. `key` breaks ties, so that no record shows up on two pages."""
    total = session.scalar(select(func.count()).select_from(statement.order_by(None).subquery()))
    column = func.lower(sort) if isinstance(sort.type, String) else sort
    ascending = parameters.order == "asc"
    statement = statement.order_by(column.asc() if ascending else column.desc(), key.asc() if ascending else key.desc())
    offset = (parameters.page - 1) * parameters.page_size
    items = session.scalars(statement.offset(offset).limit(parameters.page_size)).unique().all()
    return {"items": items, "total": total, "page": parameters.page, "page_size": parameters.page_size}
