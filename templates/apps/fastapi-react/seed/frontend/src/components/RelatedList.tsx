import { Link } from "react-router";

import { useLoad } from "../hooks/useLoad";
import { text } from "../text";
import { LinkButton } from "./Button";
import { ErrorState } from "./ErrorState";
import { Loading } from "./Loading";
import { Card } from "./Page";

interface RelatedListProps<Row> {
  title: string;
  /** Where the records are listed, for example `/tasks`. */
  path: string;
  /** What makes them belong here, for example `project_id=3`. */
  query: string;
  addLabel: string;
  load: (signal: AbortSignal) => Promise<{ items: Row[]; total: number }>;
  labelOf: (row: Row) => string;
}

/** The records that belong to the one that is shown. */
export function RelatedList<Row extends { id: number }>(props: RelatedListProps<Row>) {
  const { title, path, query, addLabel, load, labelOf } = props;
  const { data, error, reload } = useLoad(load, `${path}?${query}`);
  return (
    <Card
      title={data ? `${title} (${data.total})` : title}
      actions={
        <LinkButton to={`${path}/new?${query}`} look="quiet" icon="plus">
          {addLabel}
        </LinkButton>
      }
    >
      {error ? <ErrorState error={error} onRetry={reload} /> : null}
      {data ? (
        <>
          {data.items.length === 0 ? <p className="muted">{text.nothingYet}</p> : null}
          <ul className="list">
            {data.items.map((row) => (
              <li key={row.id}>
                <Link to={`${path}/${row.id}`}>{labelOf(row)}</Link>
              </li>
            ))}
          </ul>
          {data.total > data.items.length ? <Link to={`${path}?${query}`}>{text.viewAll}</Link> : null}
        </>
      ) : error ? null : (
        <Loading lines={2} />
      )}
    </Card>
  );
}
