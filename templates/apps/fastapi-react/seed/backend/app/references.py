"""References of one record to others, as they come in request bodies."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Path
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import TimestampedModel
from app.errors import NotFound, UnknownReference
from app.fields import MAX_INTEGER

Model = TypeVar("Model", bound=TimestampedModel)

# The number of a record in a path such as `/api/tasks/{id}`.
RecordKey = Annotated[int, Path(alias="id", ge=1, le=MAX_INTEGER)]


def get_or_404(session: Session, model: type[Model], key: int, what: str, **conditions: Any) -> Model:
    """The record with this number that meets the conditions (for example, its owner)."""
    record = session.scalar(select(model).filter_by(id=key, **conditions))
    if record is None:
        raise NotFound(what)
    return record


def check_reference(session: Session, model: type[Model], key: int | None, field: str, **conditions: Any) -> None:
    """Refuses a request whose `field` names a record that does not exist."""
    if key is not None:
        fetch_references(session, model, [key], field, **conditions)


def fetch_references(
    session: Session, model: type[Model], keys: Sequence[int], field: str, **conditions: Any
) -> list[Model]:
    """The records with these numbers, in the order given and each once."""
    wanted = list(dict.fromkeys(keys))
    records = session.scalars(select(model).where(model.id.in_(wanted)).filter_by(**conditions))
    found = {record.id: record for record in records}
    for key in wanted:
        if key not in found:
            raise UnknownReference(field, key)
    return [found[key] for key in wanted]
