import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useWide } from "../browser/wide.ts";
import { Conversations } from "./Conversations.tsx";
import { Icon } from "./Icon.tsx";

function NewChat() {
  return (
    <Link to="/" className="button" data-testid="new-chat">
      <Icon name="plus" />
      New chat
    </Link>
  );
}

/** What others' licences ask for: their notices, which the build wrote beside the pages. */
function SideFoot() {
  return (
    <footer className="side-foot">
      <a href="/licenses.txt" target="_blank" rel="noopener">
        Licences
      </a>
    </footer>
  );
}

function Side() {
  return (
    <nav className="side" aria-label="Conversations">
      <div className="side-head">
        <Link to="/" className="brand">
          Headwater
        </Link>
        <NewChat />
      </div>
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
      <nav className="drawer-body" aria-label="Conversations">
        <div className="side-head">
          <button type="button" className="quiet" aria-label="Close" onClick={close}>
            <Icon name="close" />
          </button>
          <NewChat />
        </div>
        <Conversations />
        <SideFoot />
      </nav>
    </dialog>
  );
}

function Top() {
  const [open, setOpen] = useState(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
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
