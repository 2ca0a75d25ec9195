"""What a client is told when something is refused."""

import re

from fastapi import FastAPI, HTTPException, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError


class Conflict(HTTPException):
    """409: the request is well-formed, but does not fit what is stored."""

    def __init__(self, detail: str) -> None:
        super().__init__(status.HTTP_409_CONFLICT, detail)


class NotFound(HTTPException):
    """404: there is no such record, or it belongs to someone else."""

    def __init__(self, what: str) -> None:
        super().__init__(status.HTTP_404_NOT_FOUND, f"{what} not found")


class UnknownReference(RequestValidationError):
    """422: a field of the request refers to a record that does not exist."""

    def __init__(self, field: str, value: int) -> None:
        message = f"There is no record with the number {value}"
        super().__init__([{"type": "unknown_reference", "loc": ("body", field), "msg": message, "input": value}])


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(IntegrityError, answer_integrity_error)


async def answer_integrity_error(_request: Request, error: Exception) -> JSONResponse:
    """Turns a broken constraint into an answer; the constraint, not a query before, decides."""
    return JSONResponse({"detail": describe_conflict(str(getattr(error, "orig", error)))}, status.HTTP_409_CONFLICT)


def describe_conflict(message: str) -> str:
    # SQLite: "UNIQUE constraint failed: tags.owner_id, tags.name".
    # PostgreSQL: "Key (owner_id, name)=(1, x) already exists."
    columns: list[str] = []
    if found := re.search(r"UNIQUE constraint failed: (.+)", message):
        columns = [column.rpartition(".")[2] for column in found[1].split(", ")]
    elif found := re.search(r"Key \((.+?)\)=.* already exists", message):
        columns = found[1].split(", ")
    names = [column.replace("_", " ") for column in columns if column != "owner_id"]
    if names:
        return f"Another record already has this {' and '.join(names)}."
    return "The record conflicts with another one."
