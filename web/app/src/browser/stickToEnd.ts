import { useCallback, useEffect, useRef, useState, type RefObject } from "react";

// A reader who scrolls down to closer than this is taken to want what arrives.
const NEAR_PX = 48;

interface Stick {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLDivElement | null>;
  /** False once the reader has scrolled away from the end. */
  readonly stuck: boolean;
  readonly jump: () => void;
}

/** Keeps a scrolling element at its end while its content grows, until the reader scrolls up. */
export function useStickToEnd(): Stick {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const held = useRef(true);
  const [stuck, setStuck] = useState(true);
  const jump = useCallback(() => {
    held.current = true;
    setStuck(true);
    const box = scroller.current;
    if (box !== null) box.scrollTop = box.scrollHeight;
  }, []);

  useEffect(() => {
    const box = scroller.current;
    const inner = content.current;
    if (box === null || inner === null) return;
    let last = box.scrollTop;
    const scrolled = (): void => {
      const rest = box.scrollHeight - box.clientHeight - box.scrollTop;
      // Only a movement upwards is the reader's: growth leaves the position where it was, and where the content
      // shrinks, its end comes into view. However little he scrolls up, he is not pulled back.
      const up = box.scrollTop < last && rest > 1;
      const near = rest <= 1 || (box.scrollTop > last && rest <= NEAR_PX);
      const next = !up && (held.current || near);
      last = box.scrollTop;
      if (next !== held.current) {
        held.current = next;
        setStuck(next);
      }
    };
    const follow = (): void => {
      if (held.current) box.scrollTop = box.scrollHeight;
      else scrolled();
    };
    const watcher = new ResizeObserver(follow);
    watcher.observe(inner);
    watcher.observe(box);
    box.addEventListener("scroll", scrolled, { passive: true });
    follow();
    return () => {
      watcher.disconnect();
      box.removeEventListener("scroll", scrolled);
    };
  }, []);
  return { scroller, content, stuck, jump };
}
