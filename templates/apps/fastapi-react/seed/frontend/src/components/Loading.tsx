import { text } from "../text";

/** Grey bars in the place of what is on its way. */
export function Loading({ lines = 4 }: { lines?: number }) {
  return (
    <div className="loading" role="status" data-testid="loading-indicator">
      <span className="visually-hidden">{text.loading}</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} className="skeleton" aria-hidden="true" />
      ))}
    </div>
  );
}
