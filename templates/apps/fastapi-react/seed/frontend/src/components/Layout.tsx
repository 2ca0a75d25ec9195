import type { ReactNode } from "react";
import { NavLink, Outlet } from "react-router";

import { text } from "../text";
import { Icon } from "./Icon";

export interface NavigationEntry {
  to: string;
  label: string;
}

interface LayoutProps {
  title: string;
  entries: readonly NavigationEntry[];
  footer?: ReactNode;
}

/** The frame of the application: where one is, where one can go, and the page. */
export function Layout({ title, entries, footer }: LayoutProps) {
  return (
    <div className="layout">
      <a className="skip-link" href="#content">
        {text.skip}
      </a>
      <aside className="sidebar">
        <NavLink to="/" className="brand">
          <span className="brand-mark" aria-hidden="true">
            {initial(title)}
          </span>
          <span className="brand-name">{title}</span>
        </NavLink>
        <nav className="navigation" aria-label={text.navigation}>
          <NavLink to="/" end>
            <Icon name="home" />
            {text.home}
          </NavLink>
          {entries.map((entry) => (
            <NavLink key={entry.to} to={entry.to} data-testid={`nav-${entry.to.slice(1)}`}>
              <span className="nav-mark" aria-hidden="true">
                {initial(entry.label)}
              </span>
              {entry.label}
            </NavLink>
          ))}
        </nav>
        {footer ? <div className="sidebar-footer">{footer}</div> : null}
      </aside>
      <main className="content" id="content" tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}

function initial(label: string): string {
  return [...label.trim()][0]?.toLocaleUpperCase() ?? "";
}
