import { Component, type ReactNode } from "react";

interface RescueProps {
  readonly children: ReactNode;
  /** What is shown where the children can not be. */
  readonly instead: ReactNode;
}

/** Keeps a block that breaks its parser from taking the page with it: the next load would break in the same way. */
export class Rescue extends Component<RescueProps, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }

  override render(): ReactNode {
    return this.state.broken ? this.props.instead : this.props.children;
  }
}
