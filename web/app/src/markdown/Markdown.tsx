import { memo, useMemo, useState, type ComponentProps } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import remend from "remend";
import { linkAddress } from "./address.ts";
import { BlockSplitter, definitionsIn, isUnreasonable, parseFence, refers, withoutHalf, type Block } from "./blocks.ts";
import { CodeBlock } from "./CodeBlock.tsx";
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

/** Addresses are judged where they are used; here they only pass. Nothing else of a node becomes an attribute. */
const pass = (address: string): string => address;

const Markup = memo(function Markup({ source }: { source: string }) {
  return (
    <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS} urlTransform={pass}>
      {source}
    </ReactMarkdown>
  );
});

function BlockView({ block, definitions, open }: { block: Block; definitions: string; open: boolean }) {
  if (block.kind === "fence") return <CodeBlock {...parseFence(block.source)} />;
  if (block.source.trim() === "") return null;
  const asItIs = <p className="plain">{block.source}</p>;
  if (isUnreasonable(block)) return asItIs;
  const source = open ? remend(block.source, COMPLETION) : block.source;
  return (
    <Rescue instead={asItIs}>
      <Markup source={definitions !== "" && refers(block) ? `${source}\n\n${definitions}` : source} />
    </Rescue>
  );
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
