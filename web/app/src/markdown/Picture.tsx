import { useState } from "react";
import { pictureAddress } from "./address.ts";

/** A picture of an answer. Its host learns that someone reads this, so it is fetched only when asked for. */
export function Picture({ address, name }: { address: string | undefined; name: string }) {
  const [shown, setShown] = useState(false);
  const picture = pictureAddress(address);
  if (picture === null) return <span className="dead-link">{name || "picture"}</span>;
  if (shown) return <img src={picture.href} alt={name} referrerPolicy="no-referrer" decoding="async" />;
  return (
    <button type="button" className="picture" onClick={() => setShown(true)}>
      <span>{name || "Picture"}</span>
      <small>Load from {picture.host}</small>
    </button>
  );
}
