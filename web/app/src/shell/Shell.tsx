import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useWide } from "../browser/wide.ts";
import { Conversations } from "./Conversations.tsx";
import { Icon } from "./Icon.tsx";
import { SignOut } from "./SignOut.tsx";

function NewChat() {
  return (
    <Link to="/" className="button" data-testid="new-chat">
      <Icon name="plus" />
      New chat
    </Link>
  );
}

// Answers side by side are among the conversations.
const ALONE = { exact: true, includeSearch: true };

const APPLICATIONS = [
  { to: "/examiner", name: "Examiner", icon: "examiner" },
  { to: "/solver", name: "Solver", icon: "solver" },
  { to: "/assistant", name: "Assistant", icon: "assistant" },
] as const;

function Pages() {
  return (
    <ul className="pages">
      <li>
        <Link to="/models" className="page-link" data-testid="models-link" activeOptions={ALONE}>
          <Icon name="compare" />
          Models
        </Link>
      </li>
      {APPLICATIONS.map(({ to, name, icon }) => (
        <li key={to}>
          <Link to={to} className="page-link" data-testid={`${icon}-link`}>
            <Icon name={icon} />
            {name}
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** What others' licences ask for: their notices, which the build wrote beside the pages. */
function SideFoot() {
  return (
    <footer className="side-foot">
      <a href="/licenses.txt" target="_blank" rel="noopener">
        Licences
      </a>
      <SignOut />
    </footer>
  );
}

function Side() {
  return (
    <nav className="side" aria-label="Pages and conversations">
      <div className="side-head">
        <Link to="/" className="brand">
          Headwater
        </Link>
        <NewChat />
      </div>
      <Pages />
      <Conversations />
      <SideFoot />
    </nav>
  );
}

/** The conversations where there is no room for them beside the page. */
function Drawer({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      className="drawer"
      aria-label="Conversations"
      onClose={close}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <nav className="drawer-body" aria-label="Pages and conversations">
        <div className="side-head">
          <button type="button" className="quiet" aria-label="Close" onClick={close}>
            <Icon name="close" />
          </button>
          <NewChat />
        </div>
        <Pages />
        <Conversations />
        <SideFoot />
      </nav>
    </dialog>
  );
}

function Top() {
  const [open, setOpen] = useState(false);
  const path = useRouterState({ select: (state) => state.location.href });
  useEffect(() => setOpen(false), [path]);
  return (
    <header className="top">
      <button
        type="button"
        className="quiet"
        aria-label="Conversations"
        aria-haspopup="dialog"
        data-testid="menu"
        onClick={() => setOpen(true)}
      >
        <Icon name="menu" />
      </button>
      <Link to="/" className="brand">
        Headwater
      </Link>
      <Link to="/" className="quiet" aria-label="New chat">
        <Icon name="plus" />
      </Link>
      {open && <Drawer close={() => setOpen(false)} />}
    </header>
  );
}

/** What every page stands in. */
export function Shell() {
  return (
    <div className="shell">
      <a className="skip" href="#composer">
        Skip to the composer
      </a>
      {useWide() ? <Side /> : <Top />}
      <Outlet />
    </div>
  );
}
