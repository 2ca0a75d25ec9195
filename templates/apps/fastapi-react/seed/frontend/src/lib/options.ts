const PAGE_SIZE = 100;
const MAX_PAGES = 10;

export interface RecordOption {
  value: number;
  label: string;
}

type List<Row> = (
  params: { page: number; page_size: number },
  signal?: AbortSignal,
) => Promise<{ items: Row[]; total: number }>;

/** The records that a picker offers, by name; the first thousand if there are more. */
export async function loadOptions<Row extends { id: number }>(
  list: List<Row>,
  labelOf: (row: Row) => string,
  signal?: AbortSignal,
): Promise<RecordOption[]> {
  const rows: Row[] = [];
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const answer = await list({ page, page_size: PAGE_SIZE }, signal);
    rows.push(...answer.items);
    if (rows.length >= answer.total || answer.items.length === 0) break;
  }
  return rows
    .map((row) => ({ value: row.id, label: labelOf(row) }))
    .sort((a, b) => a.label.localeCompare(b.label));
}
