import { memo, useState } from "react";
import { TextPieces } from "./textPieces.ts";

const Piece = memo(({ text }: { text: string }) => <span>{text}</span>);

/** A text exactly as it is. It is put down in pieces, of which only the last one changes while it grows. */
export function PlainText({ text, growing }: { text: string; growing: boolean }) {
  const [pieces] = useState(() => new TextPieces());
  return (
    <div className={growing ? "plain growing" : "plain"}>
      {pieces.cut(text).map((piece, index) => (
        <Piece key={index} text={piece} />
      ))}
    </div>
  );
}
