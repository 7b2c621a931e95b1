"""Looks at every element that comes into a page's document, the moment it does, and tells what no answer may make.

What it finds goes to the console as an error, where the watch of the tests sees it.
"""

from __future__ import annotations

from typing import Final

#: Runs before the page's own code. `svg` and `path` are the page's icons.
INSPECT: Final = r"""
(() => {
  const TAGS = new Set(("DIV SPAN P H1 H2 H3 H4 H5 H6 UL OL LI PRE CODE EM STRONG DEL BLOCKQUOTE BR HR A BUTTON SMALL "
    + "TABLE THEAD TBODY TR TH TD FIGURE FIGCAPTION INPUT SUP SECTION ARTICLE MAIN NAV HEADER FOOTER FORM TEXTAREA "
    + "SELECT OPTION LABEL DIALOG I KBD TIME SEARCH DL DT DD ASIDE DETAILS SUMMARY PROGRESS "
    + "svg path g rect text line polyline circle").split(" "));
  // What the text of an answer may give an element, beside data-* and aria-*.
  const ATTRIBUTES = new Set(["class", "href", "target", "rel", "title", "tabindex", "role", "type", "checked",
    "disabled", "start", "id", "viewBox", "d", "style", "width", "height", "fill", "stroke", "xmlns",
    "stroke-width", "stroke-linecap", "stroke-linejoin", "transform", "x", "y"]);
  const PAGES = "models|examiner|solver|assistant";
  const OWN_LINK = new RegExp(`^(/(c/run_\\w+|(${PAGES})(\\?[\\w%=&.-]+)?|licenses\\.txt)?|#composer)$`);
  const told = new Set();
  // What is beside the page until then is in the file that the server sent.
  let parsed = false;
  const tell = (element, words) => {
    const what = `active: ${words} in ${element.cloneNode(false).outerHTML}`;
    if (!told.has(what)) console.error(what);
    told.add(what);
  };
  const inspect = (element) => {
    const root = document.getElementById("root");
    if (!root?.contains(element)) {
      if (element.tagName === "LINK" && element.href.startsWith(`${location.origin}/assets/`)) return;
      if (parsed && element.tagName !== "TITLE") tell(element, "an element beside the page");
      return;
    }
    if (element === root) return;
    const said = element.closest(".markdown, .plain, .said, .tool-call, .explanation, .conversation, .refusal");
    if (!TAGS.has(element.tagName)) tell(element, "an element");
    if (said !== null && ["FORM", "TEXTAREA", "SELECT"].includes(element.tagName)) tell(element, "a control");
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on")) tell(element, "a handler");
      if (["src", "srcset", "srcdoc", "action", "formaction", "data", "xlink:href", "background"].includes(name)) {
        tell(element, "an address");
      }
      if (element.closest(".markdown") === null || /^(data|aria)-/.test(name)) continue;
      if (!ATTRIBUTES.has(name)) tell(element, "an attribute");
      if (name === "style" && !/^text-align: \w+;$/.test(value)) tell(element, "a style");
    }
    if (element.tagName === "A") inspectLink(element);
  };
  const inspectLink = (link) => {
    const own = link.getAttribute("href") ?? "";
    if (link.closest(".markdown") === null) {
      if (!OWN_LINK.test(own)) tell(link, "a link of the page's own");
      return;
    }
    if (!["http:", "https:", "mailto:"].includes(link.protocol)) tell(link, "a link");
    if (link.target !== "_blank" || link.rel !== "noopener noreferrer") tell(link, "a link that knows its opener");
  };
  const inspectAll = (changes) => {
    for (const { type, target, addedNodes } of changes) {
      if (type === "attributes") inspect(target);
      for (const node of addedNodes) {
        if (node.nodeType !== Node.ELEMENT_NODE) continue;
        inspect(node);
        for (const element of node.querySelectorAll("*")) inspect(element);
      }
    }
  };
  const watcher = new MutationObserver(inspectAll);
  watcher.observe(document, { subtree: true, childList: true, attributes: true });
  addEventListener("DOMContentLoaded", () => {
    inspectAll(watcher.takeRecords());
    parsed = true;
  });
})();
"""

#: Makes the page draw the answer after every second record: the network gives it no more before it has. And a frame
#: comes as soon as it is asked for, or the corpus would take as long as it takes to read it.
DRAW_EACH: Final = r"""
(() => {
  const { port1, port2 } = new MessageChannel();
  const frames = new Map();
  let last = 0;
  port1.onmessage = () => {
    const due = [...frames.values()];
    frames.clear();
    // Late enough for whoever leaves a pause between frames.
    for (const draw of due) draw(performance.now() + 1000);
  };
  window.requestAnimationFrame = (draw) => {
    frames.set(++last, draw);
    port2.postMessage(null);
    return last;
  };
  window.cancelAnimationFrame = (frame) => frames.delete(frame);

  const cursors = new Set();
  let waiting = () => {};
  const look = () => {
    const answer = document.querySelector("[data-testid=answer]");
    if (answer === null) return;
    cursors.add(`${answer.dataset.run} ${answer.dataset.cursor}`);
    waiting(answer);
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
  const drawn = (run, seq) => new Promise((resolve) => {
    // Answers side by side are drawn as they come.
    if (document.querySelector("[data-testid=compared]") !== null) return resolve();
    waiting = ({ dataset }) => (dataset.run !== run || Number(dataset.cursor) >= seq) && resolve();
    look();
  });
  /** The end of the answer that is on its way: its state, and in how many different states it was drawn. */
  window.answerEnded = () => new Promise((resolve) => {
    const ends = ["complete", "stopped", "partial", "failed"];
    const check = () => {
      const answer = document.querySelector("[data-testid=answer]");
      if (!ends.includes(answer?.dataset.state)) return;
      watcher.disconnect();
      const { run, state } = answer.dataset;
      resolve({ run, state, drawn: [...cursors].filter((each) => each.startsWith(`${run} `)).length });
    };
    const watcher = new MutationObserver(check);
    watcher.observe(document, { subtree: true, childList: true, attributes: true });
    check();
  });

  const { fetch } = window;
  window.fetch = async (...call) => {
    const answer = await fetch(...call);
    // That of one run, or of all that the tabs of the browser follow, where each record says whose it is.
    const run = /runs\/(run_\w+)\/events/.exec(answer.url)?.[1];
    const named = /\/api\/v1\/events\?/.test(answer.url);
    if ((run === undefined && !named) || answer.body === null) return answer;
    const blocks = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    const body = new ReadableStream({
      async pull(controller) {
        for (;;) {
          const [, two] = /^((?:[^]*?\n\n){2})/.exec(held) ?? [];
          if (two !== undefined) {
            held = held.slice(two.length);
            controller.enqueue(new TextEncoder().encode(two));
            const record = [...two.matchAll(/^data: ?\{(?:"run":"(run_\w+)",)?"seq":(\d+),/gm)].at(-1);
            if (record !== undefined) await drawn(record[1] ?? run, Number(record[2]));
            return;
          }
          const { value, done } = await blocks.read();
          if (done) {
            controller.enqueue(new TextEncoder().encode(held));
            controller.close();
            return;
          }
          held += value;
        }
      },
      cancel: (reason) => blocks.cancel(reason),
    }, { highWaterMark: 0 });
    return new Response(body, { status: answer.status, headers: answer.headers });
  };
})();
"""
