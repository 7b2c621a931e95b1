export interface TextPart {
  readonly text: string;
  readonly code: boolean;
}

const CODE = /`([^`\n]+)`/;

/** A sentence as its plain parts and those that stand in backticks. One backtick alone is a character as any other. */
export function codeParts(sentence: string): TextPart[] {
  // With a group in its pattern, what is split by stands at the odd places.
  const parts = sentence.split(CODE).map((text, at) => ({ text, code: at % 2 === 1 }));
  return parts.filter(({ text }) => text !== "");
}
