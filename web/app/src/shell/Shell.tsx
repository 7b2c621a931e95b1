import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { Icon } from "./Icon.tsx";
import { Conversations } from "./Conversations.tsx";

function Side({ titled }: { titled: boolean }) {
  return (
    <>
      <div className="side-head">
        {titled && (
          <Link to="/" className="brand">
            Headwater
          </Link>
        )}
        <Link to="/" className="button" data-testid="new-chat">
          <Icon name="plus" />
          New chat
        </Link>
      </div>
      <Conversations />
    </>
  );
}

/** What every page stands in: the conversations beside it, or behind a button where there is no room. */
export function Shell() {
  const drawer = useRef<HTMLDialogElement>(null);
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(() => drawer.current?.close(), [path]);
  return (
    <div className="shell">
      <a className="skip" href="#composer">
        Skip to the composer
      </a>
      <nav className="side" aria-label="Conversations">
        <Side titled />
      </nav>
      <header className="top">
        <button
          type="button"
          className="quiet"
          aria-label="Conversations"
          data-testid="menu"
          onClick={() => drawer.current?.showModal()}
        >
          <Icon name="menu" />
        </button>
        <Link to="/" className="brand">
          Headwater
        </Link>
        <Link to="/" className="quiet" aria-label="New chat">
          <Icon name="plus" />
        </Link>
      </header>
      <Outlet />
      <dialog
        ref={drawer}
        className="drawer"
        aria-label="Conversations"
        onClick={(event) => event.target === drawer.current && drawer.current.close()}
      >
        <div className="drawer-body">
          <button type="button" className="quiet close" aria-label="Close" onClick={() => drawer.current?.close()}>
            <Icon name="close" />
          </button>
          <Side titled={false} />
        </div>
      </dialog>
    </div>
  );
}
