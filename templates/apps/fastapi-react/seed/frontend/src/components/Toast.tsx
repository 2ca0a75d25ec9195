import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from "react";

import { Icon } from "./Icon";

const SHOWN_MS = 4000;

interface Message {
  id: number;
  text: string;
  failed: boolean;
}

const ToastContext = createContext<(text: string, failed?: boolean) => void>(() => undefined);

/** Shows a short message that goes by itself. */
export function useToast() {
  return useContext(ToastContext);
}

export function ToastProvider({ children }: { children: ReactNode }) {
  const [message, setMessage] = useState<Message>();
  const show = useCallback((text: string, failed = false) => {
    setMessage((before) => ({ id: (before?.id ?? 0) + 1, text, failed }));
  }, []);
  useEffect(() => {
    if (!message) return;
    const timer = setTimeout(() => setMessage(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [message]);
  return (
    <ToastContext value={show}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {message ? (
          <div key={message.id} className={message.failed ? "toast toast-failed" : "toast"}>
            <Icon name={message.failed ? "warning" : "check"} />
            {message.text}
          </div>
        ) : null}
      </div>
    </ToastContext>
  );
}
