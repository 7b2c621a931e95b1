/** A browser's events, as a page without a browser can have them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { browserWakes, type WakeReason } from "../src/index.ts";

test("in a program without a page nothing ever happens", () => {
  const deafen = browserWakes(() => assert.fail());
  deafen();
});

test("offline, online, visible and shown again are heard until the end", () => {
  const page = new EventTarget();
  const shown = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  const names = ["addEventListener", "removeEventListener", "document"] as const;
  Object.assign(globalThis, {
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
    document: shown,
  });
  try {
    const heard: WakeReason[] = [];
    const deafen = browserWakes((reason) => heard.push(reason));
    shown.dispatchEvent(new Event("visibilitychange"));
    assert.deepEqual(heard, []);
    shown.visibilityState = "visible";
    shown.dispatchEvent(new Event("visibilitychange"));
    page.dispatchEvent(new Event("offline"));
    page.dispatchEvent(new Event("online"));
    page.dispatchEvent(new Event("pageshow"));
    deafen();
    shown.dispatchEvent(new Event("visibilitychange"));
    for (const name of ["offline", "online", "pageshow"]) {
      page.dispatchEvent(new Event(name));
    }
    assert.deepEqual(heard, ["visible", "network", "network", "visible"]);
  } finally {
    for (const name of names) {
      Reflect.deleteProperty(globalThis, name);
    }
  }
});
