"""Types of fields that several schemas share: what is accepted and how it is written in JSON."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

# The largest integer that every supported database stores.
MAX_INTEGER = 2_147_483_647
MAX_DECIMAL = Decimal("9999999999.99")

HTTP_URL = TypeAdapter(AnyHttpUrl)


def check_url(value: str) -> str:
    """Checks a web address and leaves its spelling alone."""
    HTTP_URL.validate_python(value)
    return value


def in_utc(value: dt.datetime) -> dt.datetime:
    """A time without a zone is taken as UTC."""
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def decimal_schema(minimum: Decimal) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "number", "multipleOf": 0.01, "minimum": float(minimum), "maximum": float(MAX_DECIMAL)},
        mode="validation",
    )


# Exact in Python and in the database; a JSON number on the wire.
as_json_number = PlainSerializer(float, return_type=float, when_used="json")

ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
OptionalShortText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
LongText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]
OptionalLongText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Email = Annotated[EmailStr, Field(max_length=254)]
Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2000),
    AfterValidator(check_url),
    WithJsonSchema({"type": "string", "format": "uri", "minLength": 1, "maxLength": 2000}),
]
Integer = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Key = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
Keys = Annotated[list[Key], Field(max_length=1000)]
Number = Annotated[
    Decimal, Field(ge=-MAX_DECIMAL, le=MAX_DECIMAL, decimal_places=2), as_json_number, decimal_schema(-MAX_DECIMAL)
]
Amount = Annotated[Decimal, Field(ge=0, le=MAX_DECIMAL, decimal_places=2), as_json_number, decimal_schema(Decimal(0))]
DateTime = Annotated[dt.datetime, AfterValidator(in_utc)]


class Reference(BaseModel):
    """Another record: its number and what a person calls it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    label: str = Field(validation_alias="record_label")


class ReadModel(BaseModel):
    """Body of an answer, filled from the attributes of a database record."""

    model_config = ConfigDict(from_attributes=True)


class PatchModel(BaseModel):
    """Body of a partial update: what is left out stays as it is.

    Fields in `not_null` may be left out, but not be emptied.
    """

    not_null: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def refuse_null(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name in cls.not_null:
            raise ValueError("must not be null")
        return value
