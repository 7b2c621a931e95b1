import { memo, useState } from "react";
import { TextPieces } from "../chat/textPieces.ts";
import { CopyButton } from "../shell/CopyButton.tsx";

interface CodeBlockProps {
  readonly code: string;
  readonly language: string;
}

export const CodeBlock = memo(function CodeBlock({ code, language }: CodeBlockProps) {
  // Texts of their own: the browser shapes a text anew that grows, however long it is.
  const [pieces] = useState(() => new TextPieces());
  return (
    <figure className="code-block">
      <figcaption>
        <span>{language || "text"}</span>
        <CopyButton text={code} label="Copy code" />
      </figcaption>
      <pre tabIndex={0}>
        <code>
          {pieces.cut(code).map((piece, at) => (
            <span key={at}>{piece}</span>
          ))}
        </code>
      </pre>
    </figure>
  );
});
