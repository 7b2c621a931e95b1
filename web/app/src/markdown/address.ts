/** Which addresses of a model's answer may become links and pictures. Everything else stays text. */

const LINKS = new Set(["http:", "https:", "mailto:"]);
const PICTURES = new Set(["http:", "https:"]);

function parse(address: string | undefined): URL | null {
  // Relative addresses would name pages of this server, which a model has no business with.
  try {
    return address === undefined ? null : new URL(address);
  } catch {
    return null;
  }
}

/** The address as the browser will read it, or null where it may not be a link. */
export function linkAddress(address: string | undefined): string | null {
  const url = parse(address);
  return url !== null && LINKS.has(url.protocol) ? url.href : null;
}

/** A picture's address and the host that would learn of the reader, or null where it may not be fetched. */
export function pictureAddress(address: string | undefined): { href: string; host: string } | null {
  const url = parse(address);
  return url !== null && PICTURES.has(url.protocol) ? { href: url.href, host: url.host } : null;
}
