// Calls a server with AG-UI's own client. Standard input: {url, tasks}; standard output: an outcome a task.
// An outcome is the messages and the state that the agent ended with, the types of the events, and the `error`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const { HttpAgent } = require("@ag-ui/client");
const { url, tasks } = JSON.parse(readFileSync(0, "utf8"));

// It tells of what it throws on the console too; standard output is for the outcomes.
console.log = console.info = console.debug = console.warn = console.error;

async function outcome({ threadId, messages, state, input }) {
  const agent = new HttpAgent({ url, threadId, initialMessages: messages, initialState: state ?? {} });
  const events = [];
  const seen = { onEvent: ({ event }) => void events.push(event) };
  try {
    const { result } = await agent.runAgent(input, seen);
    return { messages: agent.messages, state: agent.state, events, result };
  } catch (error) {
    const { name, message } = error;
    return { messages: agent.messages, state: agent.state, events, error: { class: name, message } };
  }
}

const outcomes = [];
for (const task of tasks) outcomes.push(await outcome(task));
process.stdout.write(JSON.stringify(outcomes));
