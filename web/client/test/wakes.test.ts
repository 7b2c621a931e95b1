/** A browser's events, as a page without a browser can have them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { browserWakes, type WakeReason } from "../src/index.ts";

/** A page and its document, for as long as they are not disposed of. */
class Page {
  readonly window = new EventTarget();
  readonly document = Object.assign(new EventTarget(), { visibilityState: "visible" });

  constructor() {
    Object.assign(globalThis, {
      addEventListener: this.window.addEventListener.bind(this.window),
      removeEventListener: this.window.removeEventListener.bind(this.window),
      document: this.document,
    });
  }

  happens(...names: readonly string[]): void {
    for (const name of names) {
      (name === "visibilitychange" ? this.document : this.window).dispatchEvent(new Event(name));
    }
  }

  [Symbol.dispose](): void {
    for (const name of ["addEventListener", "removeEventListener", "document"]) {
      Reflect.deleteProperty(globalThis, name);
    }
  }
}

const EVENTS = ["visibilitychange", "offline", "online", "pageshow"];

test("in a program without a page nothing ever happens", () => {
  const deafen = browserWakes(() => assert.fail());
  deafen();
});

test("offline, online, visible and shown again are heard until the end", () => {
  using page = new Page();
  const heard: WakeReason[] = [];
  const deafen = browserWakes((reason) => heard.push(reason));
  page.document.visibilityState = "hidden";
  page.happens("visibilitychange");
  assert.deepEqual(heard, []);
  page.document.visibilityState = "visible";
  page.happens(...EVENTS);
  deafen();
  page.happens(...EVENTS);
  assert.deepEqual(heard, ["slept", "network", "network", "slept"]);
});

test("a clock that jumped is a machine that slept", (t) => {
  t.mock.timers.enable({ apis: ["setInterval", "Date"] });
  using _ = new Page();
  const heard: WakeReason[] = [];
  const deafen = browserWakes((reason) => heard.push(reason));
  for (let seconds = 0; seconds < 60; seconds += 5) {
    t.mock.timers.tick(5000);
  }
  assert.deepEqual(heard, []);
  t.mock.timers.setTime(Date.now() + 600_000);
  t.mock.timers.tick(5000);
  t.mock.timers.tick(5000);
  assert.deepEqual(heard, ["slept"]);
  deafen();
  t.mock.timers.setTime(Date.now() + 600_000);
  t.mock.timers.tick(5000);
  t.mock.timers.tick(5000);
  assert.deepEqual(heard, ["slept"]);
});
