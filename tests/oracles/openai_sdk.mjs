// Calls a server with OpenAI's own Node SDK. Standard input: {baseURL, tasks}; standard output: an outcome a task.
// An outcome is what the SDK gave back, or `error` with the class of the exception and what it carries.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const require = createRequire(join(process.argv[2], "package.json"));
const OpenAI = require("openai").default;
const { baseURL, tasks } = JSON.parse(readFileSync(0, "utf8"));

function clientFor(task) {
  return new OpenAI({ baseURL, apiKey: "sk-any", maxRetries: 0, ...task.client });
}

const kinds = {
  async stream(client, { params, options }) {
    const { data, response } = await client.chat.completions.create({ ...params, stream: true }, options).withResponse();
    const chunks = [];
    try {
      for await (const chunk of data) chunks.push(chunk);
    } catch (error) {
      return { chunks, run: response.headers.get("x-run-id"), error: described(error) };
    }
    return { chunks, run: response.headers.get("x-run-id") };
  },
  async whole(client, { params, options }) {
    const { data, response } = await client.chat.completions.create(params, options).withResponse();
    return { completion: data, run: response.headers.get("x-run-id") };
  },
  // The SDK's accumulator, which has its own ideas of what a delta may look like.
  async accumulate(client, { params, options }) {
    return { completion: await client.chat.completions.stream(params, options).finalChatCompletion() };
  },
  async parse(client, { params, options }) {
    return { completion: await client.chat.completions.parse(params, options) };
  },
  async models(client, { name }) {
    const listed = [];
    for await (const model of client.models.list()) listed.push(model.id);
    return { listed, model: await client.models.retrieve(name) };
  },
  async abort(client, { params, options }) {
    const { data, response } = await client.chat.completions.create({ ...params, stream: true }, options).withResponse();
    for await (const chunk of data) {
      if (chunk.choices[0]?.delta?.content) data.controller.abort();
    }
    return { run: response.headers.get("x-run-id") };
  },
};

const responses = {
  async respond(client, { params, options }) {
    const { data, response } = await client.responses.create(params, options).withResponse();
    return { response: data, text: data.output_text, run: response.headers.get("x-run-id") };
  },
  async events(client, { params, options }) {
    const { data, response } = await client.responses.create({ ...params, stream: true }, options).withResponse();
    const events = [];
    try {
      for await (const event of data) events.push(event);
    } catch (error) {
      return { events, error: described(error) };
    }
    return { events, run: response.headers.get("x-run-id") };
  },
  // The SDK's accumulator, and its way to parse what has a schema.
  async accumulateResponse(client, { params, options }) {
    return { response: await client.responses.stream(params, options).finalResponse() };
  },
  async parseResponse(client, { params, options }) {
    return { response: await client.responses.parse(params, options) };
  },
  async abortResponse(client, { params, options }) {
    const { data, response } = await client.responses.create({ ...params, stream: true }, options).withResponse();
    for await (const event of data) {
      if (event.type === "response.output_text.delta") data.controller.abort();
    }
    return { run: response.headers.get("x-run-id") };
  },
  // In the background: left after the first words, and read on from there.
  async resume(client, { params, options }) {
    const { id } = await client.responses.create({ ...params, background: true }, options);
    const events = [];
    const first = await client.responses.retrieve(id, { stream: true });
    for await (const event of first) {
      events.push(event);
      if (event.type === "response.output_text.delta") break;
    }
    const last = events.at(-1).sequence_number;
    for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: last })) {
      events.push(event);
    }
    const items = [];
    for await (const item of client.responses.inputItems.list(id)) items.push(item);
    const cancelled = await client.responses.cancel(id);
    await client.responses.delete(id);
    return { events, items, status: cancelled.status };
  },
  // In the background, streamed to its end over as many connections as it takes.
  async readOn(client, { params, options }) {
    const events = [];
    let cuts = 0;
    let reading = client.responses.create({ ...params, background: true, stream: true }, options);
    for (;;) {
      try {
        for await (const event of await reading) events.push(event);
        return { events, cuts, found: await client.responses.retrieve(events[0].response.id) };
      } catch (error) {
        if (events.length === 0) throw error;
        cuts += 1;
        await pause(50);
      }
      const known = { stream: true, starting_after: events.at(-1).sequence_number };
      reading = client.responses.retrieve(events[0].response.id, known);
    }
  },
};
Object.assign(kinds, responses);

function described(error) {
  const { status, code, type, param, message } = error;
  return { class: error.constructor.name, status, code, type, param, message };
}

const outcomes = [];
for (const task of tasks) {
  try {
    outcomes.push(await kinds[task.kind](clientFor(task), task));
  } catch (error) {
    outcomes.push({ error: described(error) });
  }
}
process.stdout.write(JSON.stringify(outcomes));
