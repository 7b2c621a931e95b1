import { Fragment } from "react";
import { codeParts } from "./codeParts.ts";

/** A sentence of the server's or a provider's. What stands in backticks is shown as code; nothing else is markup. */
export function Words({ text }: { text: string }) {
  return codeParts(text).map(({ text: part, code }, at) =>
    code ? <code key={at}>{part}</code> : <Fragment key={at}>{part}</Fragment>,
  );
}
