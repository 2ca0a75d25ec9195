import { useCallback, useEffect, useRef, useState } from "react";

export interface Load<Data> {
  /** What was loaded last; stays while something newer is on its way. */
  data?: Data;
  error?: Error;
  loading: boolean;
  reload: () => void;
}

/** Loads something, again whenever `key` changes. An answer that comes too late is dropped. */
export function useLoad<Data>(load: (signal: AbortSignal) => Promise<Data>, key: string): Load<Data> {
  const [attempt, setAttempt] = useState(0);
  const [result, setResult] = useState<{ key: string; attempt: number; data?: Data; error?: Error }>();
  const latest = useRef(load);
  latest.current = load;

  useEffect(() => {
    const controller = new AbortController();
    latest
      .current(controller.signal)
      .then((data) => {
        if (!controller.signal.aborted) setResult({ key, attempt, data });
      })
      .catch((failure: unknown) => {
        if (controller.signal.aborted) return;
        setResult({ key, attempt, error: failure instanceof Error ? failure : new Error(String(failure)) });
      });
    return () => controller.abort();
  }, [key, attempt]);

  const reload = useCallback(() => setAttempt((before) => before + 1), []);
  const loading = result?.key !== key || result.attempt !== attempt;
  return { data: result?.data, error: loading ? undefined : result.error, loading, reload };
}
