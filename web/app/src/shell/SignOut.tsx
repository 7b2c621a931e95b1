import { useQuery } from "@tanstack/react-query";
import { keyName, signOut } from "./keys.ts";

/** For a page that is here by a key. */
export function SignOut() {
  const { data: name } = useQuery({
    queryKey: ["session"],
    queryFn: () => keyName(),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (name === undefined || name === null) return null;
  const leave = async () => {
    if (await signOut()) location.assign("/");
  };
  return (
    <button
      type="button"
      className="link"
      data-testid="sign-out"
      title={`Signed in by the key “${name}”`}
      onClick={() => void leave()}
    >
      Sign out
    </button>
  );
}
