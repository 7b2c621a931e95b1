import { Preference } from "../browser/preference.ts";

export type Switch = "on" | "off";

const isSwitch = (value: string): value is Switch => value === "on" || value === "off";

/** Off: an analysis is asked for as a whole, and shown when it has ended. */
export const streaming = new Preference<Switch>("examiner.streaming", "on", isSwitch);
/** What the model says is written at a reader's pace. */
export const typewriter = new Preference<Switch>("examiner.typewriter", "off", isSwitch);
/** The number of each colour stands in its cell. */
export const numbers = new Preference<Switch>("examiner.numbers", "off", isSwitch);
