import type { ReactNode } from "react";

import { Icon } from "./Icon";

export function EmptyState({ title, hint, children }: { title: string; hint?: string; children?: ReactNode }) {
  return (
    <div className="state" data-testid="empty-state">
      <span className="state-icon">
        <Icon name="inbox" size={28} />
      </span>
      <p className="state-title">{title}</p>
      {hint ? <p className="muted">{hint}</p> : null}
      {children}
    </div>
  );
}
