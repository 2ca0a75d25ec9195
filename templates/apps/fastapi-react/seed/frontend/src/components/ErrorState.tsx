import { text } from "../text";
import { Button } from "./Button";
import { Icon } from "./Icon";

export function ErrorState({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  return (
    <div className="state" role="alert" data-testid="error-message">
      <span className="state-icon state-icon-danger">
        <Icon name="warning" size={28} />
      </span>
      <p className="state-title">{text.failed}</p>
      <p className="muted">{error.message}</p>
      {onRetry ? <Button onClick={onRetry}>{text.retry}</Button> : null}
    </div>
  );
}
