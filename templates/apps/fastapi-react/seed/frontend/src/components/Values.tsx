import { Link } from "react-router";

import { formatText } from "../lib/format";

interface Named {
  id: number;
  label: string;
}

export function EmailLink({ value }: { value: string | null }) {
  return value ? <a href={`mailto:${value}`}>{value}</a> : formatText(value);
}

export function PhoneLink({ value }: { value: string | null }) {
  return value ? <a href={`tel:${value.replaceAll(" ", "")}`}>{value}</a> : formatText(value);
}

/** A web address; the API accepts only http and https. */
export function UrlLink({ value }: { value: string | null }) {
  if (!value) return formatText(value);
  return (
    <a href={value} target="_blank" rel="noreferrer">
      {value.replace(/^https?:\/\//, "")}
    </a>
  );
}

/** Another record; `path` is where its kind is listed. */
export function ReferenceLink({ path, value }: { path: string; value: Named | null }) {
  return value ? <Link to={`${path}/${value.id}`}>{value.label}</Link> : formatText(null);
}

export function ReferenceChips({ path, values }: { path: string; values: Named[] }) {
  if (values.length === 0) return formatText(null);
  return (
    <span className="chips">
      {values.map((value) => (
        <Link key={value.id} to={`${path}/${value.id}`} className="chip">
          {value.label}
        </Link>
      ))}
    </span>
  );
}
