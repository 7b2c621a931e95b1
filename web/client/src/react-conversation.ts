/** A conversation with a model: what was said, what is being said, and a field for what to say next. */

import { createElement, type FormEvent, type ReactElement, useCallback, useState } from "react";

import { StreamedResponseViewer } from "./react-viewer.ts";
import { useStream, type UseStreamOptions } from "./react-hooks.ts";
import { pagesFetch } from "./pages.ts";
import { Headwater, type HeadwaterOptions } from "./service.ts";

export interface ConversationProps {
  readonly model: string;
  /** Where it is asked: the page's own server, if nothing else is said. Looked at once. */
  readonly server?: HeadwaterOptions;
  /** False: the answer is read without a stream. Looked at once. */
  readonly useStreaming?: boolean;
  readonly typewriter?: boolean;
  readonly className?: string;
}

interface Said {
  readonly role: "user" | "assistant";
  readonly content: string;
}

export function ConversationInterface(props: ConversationProps): ReactElement {
  const { model, useStreaming = true, typewriter = false, className } = props;
  const [options] = useState(() => optionsOf(props.server ?? {}, useStreaming));
  const stream = useStream(options);
  const [before, setBefore] = useState<readonly Said[]>([]);
  const [question, setQuestion] = useState("");
  const busy = stream.state !== "idle" && !["complete", "partial", "failed"].includes(stream.state);
  const ask = useCallback(
    (event: FormEvent): void => {
      event.preventDefault();
      const content = question.trim();
      if (content === "" || busy) {
        return;
      }
      // An answer that is only a part of one was shown all the same.
      const last: Said[] = stream.text === "" ? [] : [{ role: "assistant", content: stream.text }];
      const messages: Said[] = [...before, ...last, { role: "user", content }];
      setBefore(messages);
      setQuestion("");
      void stream.start({ model, messages });
    },
    [before, busy, model, question, stream],
  );
  const shown = before.map(({ role, content }, at) =>
    createElement("li", { key: at, "data-role": role, style: { whiteSpace: "pre-wrap" } }, content),
  );
  const { text, state, error } = stream;
  const answer = createElement(StreamedResponseViewer, { text, state, error, typewriter });
  return createElement(
    "section",
    { className },
    createElement("ol", null, ...shown, state === "idle" ? null : createElement("li", { key: "answer" }, answer)),
    createElement(
      "form",
      { onSubmit: ask },
      createElement("textarea", {
        "aria-label": "Your message",
        value: question,
        onChange: (event: { readonly target: { readonly value: string } }) => setQuestion(event.target.value),
      }),
      createElement("button", { type: "submit", disabled: busy }, "Send"),
      createElement("button", { type: "button", disabled: !busy, onClick: () => void stream.cancel() }, "Stop"),
    ),
  );
}

function optionsOf(server: HeadwaterOptions, streaming: boolean): UseStreamOptions {
  const send = server.fetch === undefined ? {} : { fetch: server.fetch };
  const paged = new Headwater({ ...server, fetch: pagesFetch(send) });
  return streaming
    ? { headwater: new Headwater(server), fallback: paged }
    : { headwater: paged };
}
