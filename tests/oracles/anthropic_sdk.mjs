// Calls a server with Anthropic's own Node SDK. Standard input: {baseURL, tasks}; standard output: an outcome a task.
// An outcome is what the SDK gave back, or `error` with the class of the exception and what it carries.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const Anthropic = require("@anthropic-ai/sdk").default;
const { baseURL, tasks } = JSON.parse(readFileSync(0, "utf8"));

const kinds = {
  async stream(client, { params, options }) {
    const { data, response } = await client.messages.create({ ...params, stream: true }, options).withResponse();
    const run = response.headers.get("x-run-id");
    const events = [];
    try {
      for await (const event of data) events.push(event);
    } catch (error) {
      return { events, run, error: described(error) };
    }
    return { events, run };
  },
  async whole(client, { params, options }) {
    const { data, response, request_id } = await client.messages.create(params, options).withResponse();
    return { message: data, run: response.headers.get("x-run-id"), request_id };
  },
  // The SDK's accumulator, which has its own ideas of what may follow what.
  async accumulate(client, { params, options }) {
    return { message: await client.messages.stream(params, options).finalMessage() };
  },
  async abort(client, { params, options }) {
    const { data, response } = await client.messages.create({ ...params, stream: true }, options).withResponse();
    for await (const event of data) {
      if (event.type === "content_block_delta") data.controller.abort();
    }
    return { run: response.headers.get("x-run-id") };
  },
};

function described(error) {
  const { status, message } = error;
  return { class: error.constructor.name, status, message, ...error.error?.error };
}

const outcomes = [];
for (const task of tasks) {
  try {
    const client = new Anthropic({ baseURL, apiKey: "sk-any", maxRetries: 0, ...task.client });
    outcomes.push(await kinds[task.kind](client, task));
  } catch (error) {
    outcomes.push({ error: described(error) });
  }
}
process.stdout.write(JSON.stringify(outcomes));
