import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";

export type Order = "asc" | "desc";

export interface ListState {
  q: string;
  sort: string;
  order: Order;
  page: number;
  pageSize: number;
  filters: Record<string, string>;
}

const PAGE_SIZE = 20;

/** What a list shows, kept in the address so that it survives a reload and can be shared. */
export function useListQuery(filterNames: readonly string[], initial: { sort: string; order: Order }) {
  const [search, setSearch] = useSearchParams();

  const state = useMemo<ListState>(() => {
    const page = Number(search.get("page"));
    return {
      q: search.get("q") ?? "",
      sort: search.get("sort") ?? initial.sort,
      order: (search.get("order") ?? initial.order) === "desc" ? "desc" : "asc",
      page: Number.isInteger(page) && page > 0 ? page : 1,
      pageSize: PAGE_SIZE,
      filters: Object.fromEntries(filterNames.map((name) => [name, search.get(name) ?? ""])),
    };
  }, [search, filterNames, initial.sort, initial.order]);

  const change = useCallback(
    (changes: Record<string, string>) => {
      setSearch(
        (before) => {
          const next = new URLSearchParams(before);
          // Another selection starts at its first page.
          next.delete("page");
          for (const [name, value] of Object.entries(changes)) {
            if (value) next.set(name, value);
            else next.delete(name);
          }
          return next;
        },
        { replace: true },
      );
    },
    [setSearch],
  );

  const setQ = useCallback((q: string) => change({ q }), [change]);
  const toggleSort = (name: string) => {
    const order: Order = state.sort === name && state.order === "asc" ? "desc" : "asc";
    change({ sort: name, order });
  };
  const clear = () => change(Object.fromEntries(["q", ...filterNames].map((name) => [name, ""])));
  const active = state.q !== "" || Object.values(state.filters).some((value) => value !== "");
  const params = {
    ...state.filters,
    q: state.q,
    sort: state.sort,
    order: state.order,
    page: state.page,
    page_size: state.pageSize,
  };
  return {
    ...state,
    params,
    key: JSON.stringify(params),
    active,
    setQ,
    setFilter: (name: string, value: string) => change({ [name]: value }),
    setPage: (page: number) => change({ page: String(page) }),
    toggleSort,
    clear,
  };
}
