import { language } from "../text";

const date = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
const dateTime = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const decimal = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const integer = new Intl.NumberFormat(language, { useGrouping: "min2" } as Intl.NumberFormatOptions);

const EMPTY = "–";

/** A calendar day, which is the same everywhere: `2026-03-01`. */
export function formatDate(value: string | null): string {
  return value ? date.format(new Date(`${value}T00:00:00Z`)) : EMPTY;
}

/** A moment, in the user's time zone. */
export function formatDateTime(value: string | null): string {
  return value ? dateTime.format(new Date(value)) : EMPTY;
}

export function formatDecimal(value: number | null): string {
  return value === null ? EMPTY : decimal.format(value);
}

export function formatInteger(value: number | null): string {
  return value === null ? EMPTY : integer.format(value);
}

export function formatText(value: string | null): string {
  return value || EMPTY;
}

/** A moment as an input of type `datetime-local` takes it. */
export function toLocalInput(value: string | null): string {
  if (!value) return "";
  const moment = new Date(value);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The moment that an input of type `datetime-local` shows. */
export function fromLocalInput(value: string): string {
  return new Date(value).toISOString();
}
