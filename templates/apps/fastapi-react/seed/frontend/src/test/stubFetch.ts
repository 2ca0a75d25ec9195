import { vi } from "vitest";

export interface Recorded {
  method: string;
  path: string;
  query: URLSearchParams;
  body: unknown;
}

type Answer = { status?: number; body?: unknown } | ((request: Recorded) => { status?: number; body?: unknown });

/** By method and path, such as `{ "GET /api/health": { body: { status: "ok" } } }`. */
export type Answers = Record<string, Answer>;

/** Answers requests from a table and records them; what is not in it is not found. */
export function stubFetch(answers: Answers): Recorded[] {
  const recorded: Recorded[] = [];
  const respond = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input, "http://localhost");
    const request: Recorded = {
      method: init?.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      body: typeof init?.body === "string" ? JSON.parse(init.body) : undefined,
    };
    recorded.push(request);
    const known = answers[`${request.method} ${request.path}`];
    const answer = typeof known === "function" ? known(request) : (known ?? { status: 404, body: { detail: "Not stubbed" } });
    const { status = 200, body } = answer;
    return new Response(status === 204 ? null : JSON.stringify(body), {
      status,
      headers: { "Content-Type": "application/json" },
    });
  };
  vi.stubGlobal("fetch", vi.fn(respond));
  return recorded;
}

/** A page of a list, as the API answers it. */
export function pageOf<Item>(items: Item[]) {
  return { body: { items, total: items.length, page: 1, page_size: 20 } };
}
