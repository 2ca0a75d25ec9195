import type { ButtonHTMLAttributes, ReactNode } from "react";
import { Link } from "react-router";

import { Icon, type IconName } from "./Icon";

type Look = "primary" | "secondary" | "danger" | "quiet";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look;
  icon?: IconName;
}

export function Button({ look = "secondary", icon, children, type = "button", className, ...rest }: ButtonProps) {
  return (
    <button type={type} className={["button", `button-${look}`, className].filter(Boolean).join(" ")} {...rest}>
      {icon ? <Icon name={icon} /> : null}
      {children}
    </button>
  );
}

interface LinkButtonProps {
  to: string;
  look?: Look;
  icon?: IconName;
  children: ReactNode;
  testId?: string;
}

export function LinkButton({ to, look = "secondary", icon, children, testId }: LinkButtonProps) {
  return (
    <Link to={to} className={`button button-${look}`} data-testid={testId}>
      {icon ? <Icon name={icon} /> : null}
      {children}
    </Link>
  );
}

interface IconButtonProps {
  icon: IconName;
  label: string;
  onClick: () => void;
  danger?: boolean;
  testId?: string;
}

/** A button that shows only a drawing; its label is read aloud and shown as a hint. */
export function IconButton({ icon, label, onClick, danger, testId }: IconButtonProps) {
  return (
    <button
      type="button"
      className={danger ? "icon-button icon-button-danger" : "icon-button"}
      aria-label={label}
      title={label}
      onClick={onClick}
      data-testid={testId}
    >
      <Icon name={icon} />
    </button>
  );
}

interface IconLinkProps {
  icon: IconName;
  label: string;
  to: string;
}

/** A link that shows only a drawing. */
export function IconLink({ icon, label, to }: IconLinkProps) {
  return (
    <Link to={to} className="icon-button" aria-label={label} title={label}>
      <Icon name={icon} />
    </Link>
  );
}
