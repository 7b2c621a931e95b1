import { StreamedResponseViewer } from "@headwater/client/react";
import { useState } from "react";
import { usePreference } from "../browser/preference.ts";
import { typewriter } from "./preferences.ts";

interface ModelWordsProps {
  readonly text: string;
  readonly growing: boolean;
}

/** What a model says, as it is; at a reader's pace where that is wanted. Where it stands is told elsewhere. */
export function ModelWords({ text, growing }: ModelWordsProps) {
  const [typed] = usePreference(typewriter);
  // What was whole when the page came is not written again.
  const [came] = useState(growing);
  return (
    <StreamedResponseViewer
      className={growing ? "model-words growing" : "model-words"}
      text={text}
      state={growing ? "streaming" : "complete"}
      typewriter={typed === "on" && came}
    />
  );
}
