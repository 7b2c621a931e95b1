// The page at /chat/test: one chat, asked in any of the three ways. What came is only ever put in as text.

const KEPT = ["org", "user", "model", "way"];
const PREFIX = "headwater.chat-test.";

const element = (id) => document.getElementById(id);
const state = (text) => {
  element("state").textContent = text;
};

let chatId = null;
/** Ends the answer under way, if there is one. */
let stop = null;

for (const id of KEPT) {
  const field = element(id);
  const kept = localStorage.getItem(PREFIX + id);
  if (kept !== null) {
    field.value = kept;
  }
  field.addEventListener("change", () => localStorage.setItem(PREFIX + id, field.value));
}

function show(role, text) {
  const item = document.createElement("li");
  item.dataset.role = role;
  item.textContent = text;
  element("messages").append(item);
  return item;
}

const setting = (id) => element(id).value.trim();

function request(signal) {
  const headers = { "content-type": "application/json" };
  if (setting("org") !== "") {
    headers["x-org-id"] = setting("org");
  }
  if (setting("user") !== "") {
    headers["x-user-id"] = setting("user");
  }
  const body = { message: element("message").value };
  if (chatId !== null) {
    body.chat_id = chatId;
  }
  if (setting("model") !== "") {
    body.model = setting("model");
  }
  return { method: "POST", headers, body: JSON.stringify(body), signal };
}

async function refused(response) {
  const { error, message } = await response.json();
  return new Error(`${error}: ${message}`);
}

async function whole(item, signal) {
  const response = await fetch("/chat", request(signal));
  if (!response.ok) {
    throw await refused(response);
  }
  const { chat_id, reply } = await response.json();
  chatId = chat_id;
  item.textContent = reply;
}

/** Takes one frame's data; true at the answer's end. */
function take(item, data) {
  const frame = JSON.parse(data);
  if (frame.error) {
    throw new Error(`${frame.error}: ${frame.message}`);
  }
  if (frame.done) {
    item.textContent = frame.fullText;
    return true;
  }
  item.textContent += frame.token;
  return false;
}

async function post(item, signal) {
  const response = await fetch("/chat/stream", request(signal));
  if (!response.ok) {
    throw await refused(response);
  }
  chatId = response.headers.get("x-chat-id");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      throw new Error("The answer was cut.");
    }
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const line = block.split("\n").find((each) => each.startsWith("data: "));
      if (line !== undefined && take(item, line.slice("data: ".length))) {
        return;
      }
    }
  }
}

function eventSource(item, signal) {
  const query = new URLSearchParams({ message: element("message").value });
  for (const [name, value] of [
    ["orgId", setting("org")],
    ["userId", setting("user")],
    ["model", setting("model")],
    ["chatId", chatId ?? ""],
  ]) {
    if (value !== "") {
      query.set(name, value);
    }
  }
  return new Promise((resolve, reject) => {
    const source = new EventSource(`/chat/stream?${query}`);
    const end = (settle, value) => {
      source.close();
      settle(value);
    };
    signal.addEventListener("abort", () => end(reject, signal.reason));
    source.addEventListener("message", ({ data, lastEventId }) => {
      try {
        // An EventSource is not told of headers; a new chat is called after the run that begins it.
        chatId ??= lastEventId.split(":")[0].replace(/^run_/, "chat_");
        if (take(item, data)) {
          end(resolve);
        }
      } catch (error) {
        end(reject, error);
      }
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) {
        end(reject, new Error("The request was refused."));
      } else {
        state("Reconnecting …");
      }
    });
  });
}

const WAYS = { post, eventsource: eventSource, whole };

element("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (stop !== null) {
    return;
  }
  const controller = new AbortController();
  stop = () => controller.abort(new Error("Stopped here; the server stops it in a few seconds."));
  element("send").disabled = true;
  element("stop").disabled = false;
  show("user", element("message").value);
  const item = show("assistant", "");
  state("Streaming …");
  try {
    await WAYS[element("way").value](item, controller.signal);
    state(`Complete. ${chatId}`);
  } catch (error) {
    state(error instanceof Error ? error.message : String(error));
  } finally {
    stop = null;
    element("send").disabled = false;
    element("stop").disabled = true;
  }
});

element("stop").addEventListener("click", () => stop?.());
element("new").addEventListener("click", () => {
  stop?.();
  chatId = null;
  element("messages").replaceChildren();
  state("The next message begins a new chat.");
});
