import { Preference } from "../browser/preference.ts";

/** Whether answers are shown while they are made. */
export const streaming = new Preference<"on" | "off">(
  "assistant.streaming",
  "on",
  (value) => value === "on" || value === "off",
);

/** Who answers; nothing leaves it to the server. */
export const model = new Preference<string>("assistant.model", "", (value): value is string => value.length > 0);
