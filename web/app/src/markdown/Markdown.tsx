import { memo, useMemo, useState, type ComponentProps } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import remend from "remend";
import { linkAddress } from "./address.ts";
import { BlockSplitter, definitionsIn, isUnreasonable, parseFence, refers, withoutHalf, type Block } from "./blocks.ts";
import { CodeBlock } from "./CodeBlock.tsx";
import { ParagraphPieces } from "./paragraph.ts";
import { Picture } from "./Picture.tsx";
import { Rescue } from "./Rescue.tsx";

const PLUGINS = [remarkGfm];
// What is half written is completed for the eye; links and pictures wait until they are whole.
const COMPLETION = { htmlTags: false, linkMode: "text-only", katex: false } as const;

function Link({ href, children }: ComponentProps<"a">) {
  const address = linkAddress(href);
  if (address === null) return <span className="dead-link">{children}</span>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer" title={address}>
      {children}
    </a>
  );
}

function textOf(node: unknown): string {
  if (typeof node === "string") return node;
  return Array.isArray(node) ? node.map(textOf).join("") : "";
}

function Pre({ children }: ComponentProps<"pre">) {
  // A fence within a list: its only child is the code element.
  const code = children as { props?: { className?: string; children?: unknown } } | undefined;
  const language = /language-(\S+)/.exec(code?.props?.className ?? "")?.[1] ?? "";
  return <CodeBlock code={textOf(code?.props?.children).replace(/\n$/, "")} language={language} />;
}

function Table({ children }: ComponentProps<"table">) {
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  );
}

const COMPONENTS: Components = {
  a: ({ href, children }) => <Link {...(href === undefined ? {} : { href })}>{children}</Link>,
  img: ({ src, alt }) => <Picture address={typeof src === "string" ? src : undefined} name={alt ?? ""} />,
  pre: ({ children }) => <Pre>{children}</Pre>,
  table: ({ children }) => <Table>{children}</Table>,
};

const INLINE: Components = { ...COMPONENTS, p: ({ children }) => children };

/** Addresses are judged where they are used; here they only pass. Nothing else of a node becomes an attribute. */
const pass = (address: string): string => address;

interface MarkupProps {
  readonly source: string;
  readonly components?: Components;
}

const Markup = memo(function Markup({ source, components = COMPONENTS }: MarkupProps) {
  return (
    <ReactMarkdown remarkPlugins={PLUGINS} components={components} urlTransform={pass}>
      {source}
    </ReactMarkdown>
  );
});

/** A paragraph of which only the last piece is parsed again while it grows. */
function Paragraph({ pieces, open }: { pieces: readonly string[]; open: boolean }) {
  const last = pieces.length - 1;
  return (
    <p>
      {pieces.map((piece, at) => (
        <span key={at} className="piece">
          <Markup source={open && at === last ? remend(piece, COMPLETION) : piece} components={INLINE} />
          {at < last && piece.at(-1)}
        </span>
      ))}
    </p>
  );
}

interface BlockProps {
  readonly block: Block;
  readonly definitions: string;
  readonly open: boolean;
}

function MarkupBlock({ block, definitions, open }: BlockProps) {
  const [paragraph] = useState(() => new ParagraphPieces());
  const asItIs = <p className="plain">{block.source}</p>;
  const defined = definitions !== "" && refers(block) ? `\n\n${definitions}` : "";
  // What is defined elsewhere may bring notes, which stand behind the paragraph.
  const pieces = defined === "" ? paragraph.cut(block.source) : null;
  if (isUnreasonable({ kind: "markup", source: pieces?.at(-1) ?? block.source })) return asItIs;
  return (
    <Rescue instead={asItIs}>
      {pieces === null ? (
        <Markup source={(open ? remend(block.source, COMPLETION) : block.source) + defined} />
      ) : (
        <Paragraph pieces={pieces} open={open} />
      )}
    </Rescue>
  );
}

function BlockView(props: BlockProps) {
  const { kind, source } = props.block;
  if (kind === "fence") return <CodeBlock {...parseFence(source)} />;
  return source.trim() === "" ? null : <MarkupBlock {...props} />;
}

const Settled = memo(BlockView);

/** A text as Markdown. While it grows by what is appended, blocks that are settled are not touched again. */
export default function Markdown({ text, growing }: { text: string; growing: boolean }) {
  const [splitter] = useState(() => new BlockSplitter());
  const { settled, open } = splitter.split(text);
  const shown = growing && open !== null ? withoutHalf(open) : open;
  // A definition that is still being written would change the address of its links with every letter.
  const last = growing ? null : open;
  const definitions = useMemo(() => definitionsIn(last === null ? settled : [...settled, last]), [settled, last]);
  return (
    <div className={growing ? "markdown growing" : "markdown"}>
      {settled.map((block, index) => (
        <Settled key={index} block={block} definitions={definitions} open={false} />
      ))}
      {shown !== null && <Settled key={settled.length} block={shown} definitions={definitions} open={growing} />}
    </div>
  );
}
