import { useEffect, useId, useRef, useState } from "react";

import { text } from "../text";
import { Button } from "./Button";

interface ConfirmDialogProps {
  title: string;
  hint?: string;
  action: string;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

/** Asks before something that cannot be undone. Escape and a click beside it close it. */
export function ConfirmDialog({ title, hint, action, onConfirm, onClose }: ConfirmDialogProps) {
  const id = useId();
  const cancel = useRef<HTMLButtonElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();

  useEffect(() => {
    const before = document.activeElement;
    cancel.current?.focus();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);

  const confirm = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await onConfirm();
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
      setBusy(false);
    }
  };

  return (
    <div className="backdrop" onClick={onClose}>
      <div
        className="dialog"
        role="alertdialog"
        aria-modal="true"
        aria-labelledby={`${id}-title`}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onClick={(event) => event.stopPropagation()}
        onKeyDown={(event) => {
          if (event.key === "Escape") onClose();
          if (event.key === "Tab") keepFocusInside(event.currentTarget, event.shiftKey, () => event.preventDefault());
        }}
        data-testid="confirm-dialog"
      >
        <h2 id={`${id}-title`}>{title}</h2>
        {hint ? (
          <p className="muted" id={`${id}-hint`}>
            {hint}
          </p>
        ) : null}
        {error ? (
          <p className="field-error" role="alert">
            {error}
          </p>
        ) : null}
        <div className="dialog-actions">
          <button ref={cancel} type="button" className="button button-secondary" onClick={onClose}>
            {text.cancel}
          </button>
          <Button look="danger" disabled={busy} onClick={() => void confirm()} data-testid="confirm-button">
            {action}
          </Button>
        </div>
      </div>
    </div>
  );
}

function keepFocusInside(dialog: HTMLElement, backwards: boolean, stop: () => void) {
  const buttons = dialog.querySelectorAll<HTMLElement>("button:not(:disabled)");
  const [first, last] = [buttons[0], buttons[buttons.length - 1]];
  if (document.activeElement === (backwards ? first : last)) {
    stop();
    (backwards ? last : first)?.focus();
  }
}
