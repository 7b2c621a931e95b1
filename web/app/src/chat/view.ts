import { Preference } from "../browser/preference.ts";

export type View = "markdown" | "plain";

/** How the texts of models are shown, on every page of this browser. */
export const view = new Preference<View>("view", "markdown", (value) => value === "markdown" || value === "plain");
