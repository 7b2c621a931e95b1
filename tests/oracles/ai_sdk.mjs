// Calls a server with the AI SDK's own client. Standard input: {api, tasks}; standard output: an outcome a task.
// An outcome is the message that the client put together, the types of the parts it was made of, and the `error`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const { DefaultChatTransport, readUIMessageStream } = require("ai");
const { api, tasks } = JSON.parse(readFileSync(0, "utf8"));

const kinds = {
  send: ({ id, messages, body }) =>
    new DefaultChatTransport({ api, body }).sendMessages({ chatId: id, messages, trigger: "submit-message" }),
  // The replay of one run, ended or not.
  replay: ({ id, run }) => {
    const prepared = () => ({ api: `${api}/${encodeURIComponent(id)}/stream?run=${run}` });
    return new DefaultChatTransport({ api, prepareReconnectToStreamRequest: prepared }).reconnectToStream({ chatId: id });
  },
  resume: ({ id }) => new DefaultChatTransport({ api }).reconnectToStream({ chatId: id }),
};

async function outcome(task) {
  const types = [];
  let message = null;
  try {
    const parts = await kinds[task.kind](task);
    if (parts === null) return { nothing: true };
    const noted = new TransformStream({
      transform(part, controller) {
        types.push(part.type);
        controller.enqueue(part);
      },
    });
    for await (const state of readUIMessageStream({ stream: parts.pipeThrough(noted), terminateOnError: true })) {
      message = state;
    }
    return { message, types };
  } catch (error) {
    return { message, types, error: { class: error.constructor.name, message: error.message, status: error.statusCode } };
  }
}

const outcomes = [];
for (const task of tasks) outcomes.push(await outcome(task));
process.stdout.write(JSON.stringify(outcomes));
