import type { ReactNode } from "react";

import { text } from "../text";
import { Icon } from "./Icon";

export interface Column<Row> {
  name: string;
  label: string;
  render: (row: Row) => ReactNode;
  sortable?: boolean;
  align?: "end";
}

interface DataTableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  sort?: { name: string; order: "asc" | "desc" };
  onSort?: (name: string) => void;
  actions?: (row: Row) => ReactNode;
  busy?: boolean;
  testId?: string;
}

export function DataTable<Row extends { id: number }>(props: DataTableProps<Row>) {
  const { label, columns, rows, sort, onSort, actions, busy, testId } = props;
  return (
    <div className="table-frame" aria-busy={busy}>
      <table className="table" aria-label={label} data-testid={testId}>
        <thead>
          <tr>
            {columns.map((column) => (
              <HeaderCell key={column.name} column={column} sort={sort} onSort={onSort} />
            ))}
            {actions ? (
              <th className="cell-actions">
                <span className="visually-hidden">{text.actions}</span>
              </th>
            ) : null}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              {columns.map((column) => (
                <td key={column.name} className={column.align === "end" ? "cell-end" : undefined}>
                  {column.render(row)}
                </td>
              ))}
              {actions ? <td className="cell-actions">{actions(row)}</td> : null}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function HeaderCell<Row>({ column, sort, onSort }: { column: Column<Row> } & Pick<DataTableProps<never>, "sort" | "onSort">) {
  const active = sort?.name === column.name;
  const direction = active ? (sort?.order === "asc" ? "ascending" : "descending") : undefined;
  const className = column.align === "end" ? "cell-end" : undefined;
  if (!column.sortable || !onSort) {
    return (
      <th scope="col" className={className}>
        {column.label}
      </th>
    );
  }
  return (
    <th scope="col" aria-sort={direction} className={className}>
      <button type="button" className="sort-button" onClick={() => onSort(column.name)} title={text.sortBy(column.label)}>
        {column.label}
        <span className={active ? "sort-mark sort-mark-active" : "sort-mark"}>
          <Icon name={active && sort?.order === "desc" ? "down" : "up"} size={14} />
        </span>
      </button>
    </th>
  );
}
