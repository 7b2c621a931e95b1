import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyGate, keyName, signIn, signOut } from "../src/shell/keys.ts";

interface Sent {
  readonly address: string;
  readonly init: RequestInit | undefined;
}

function answering(status: number, body: string | null = null, headers: Record<string, string> = {}) {
  const sent: Sent[] = [];
  const send: typeof fetch = async (input, init) => {
    sent.push({ address: String(input), init });
    return new Response(body, { status, headers });
  };
  return { sent, send };
}

const broken: typeof fetch = async () => {
  throw new TypeError("the connection broke");
};

test("a key is wanted once the server has asked for one, and not for a provider's refusal", async () => {
  let told = 0;
  const asking = { status: 200, headers: {} as Record<string, string> };
  const gate = new KeyGate(async () => new Response(null, asking));
  const stop = gate.subscribe(() => (told += 1));
  await gate.fetch("/api/v1/runs");
  asking.status = 401;
  await gate.fetch("/api/v1/runs");
  assert.equal(gate.wanted(), false);
  asking.headers = { "WWW-Authenticate": "Bearer" };
  assert.equal((await gate.fetch("/api/v1/runs")).status, 401);
  assert.equal(gate.wanted(), true);
  assert.equal(told, 1);
  stop();
  await gate.fetch("/api/v1/runs");
  assert.equal(told, 1);
});

test("the key goes in the body and nowhere else", async () => {
  const { sent, send } = answering(204);
  assert.equal(await signIn("hw_secret", send), "yes");
  assert.equal(await signOut(send), true);
  const [first, second] = sent;
  assert.equal(first?.address, "/api/v1/session");
  assert.equal(first?.init?.body, '{"key":"hw_secret"}');
  assert.equal(first?.init?.method, "POST");
  assert.equal(JSON.stringify(first?.init?.headers).includes("hw_"), false);
  assert.equal(second?.init?.method, "DELETE");
});

test("a wrong key, a server that is away, and what is neither are told apart", async () => {
  for (const status of [400, 401, 413]) {
    assert.equal(await signIn("hw_wrong", answering(status).send), "refused");
  }
  assert.equal(await signIn("hw_right", answering(409).send), "unneeded");
  assert.equal(await signIn("hw_right", answering(429).send), "tooMany");
  for (const status of [403, 404, 421]) assert.equal(await signIn("hw_right", answering(status).send), "barred");
  for (const status of [500, 503]) assert.equal(await signIn("hw_right", answering(status).send), "unanswered");
  assert.equal(await signIn("hw_right", broken), "unanswered");
  assert.equal(await signOut(broken), false);
});

test("a key has a name, and where none is asked for there is none", async () => {
  const session = '{"owner":{"org":"o","user":"u"},"key":{"id":"1","name":"laptop","expires_at":null}}';
  assert.equal(await keyName(answering(200, session).send), "laptop");
  assert.equal(await keyName(answering(200, '{"owner":{"org":"o","user":"u"},"key":null}').send), null);
  assert.equal(await keyName(answering(401).send), null);
});
