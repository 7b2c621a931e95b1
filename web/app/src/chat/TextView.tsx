import { lazy, Suspense } from "react";
import { usePreference } from "../browser/preference.ts";
import { PlainText } from "./PlainText.tsx";
import { view } from "./view.ts";

// Asked for at once, so that it is there when the first word is. Where it can not be had, text stays as it is.
const loading = import("../markdown/Markdown.tsx").catch(() => ({ default: PlainText }));
const Markdown = lazy(() => loading);

/** A text of a model, as Markdown or as it is. While Markdown is still loading, as it is. */
export function TextView({ text, growing }: { text: string; growing: boolean }) {
  const [shown] = usePreference(view);
  if (shown === "plain") return <PlainText text={text} growing={growing} />;
  return (
    <Suspense fallback={<PlainText text={text} growing={growing} />}>
      <Markdown text={text} growing={growing} />
    </Suspense>
  );
}
