// Serves the routes of an application as its framework would: `node serve.mjs routes.ts`. Its port is the first line of
// standard output.
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const { GET, POST } = await import(pathToFileURL(process.argv[2]).href);

async function answered(request) {
  const id = /^\/api\/chat\/([^/]+)\/stream$/.exec(request.url)?.[1];
  if (request.method === "GET" && id !== undefined) {
    return GET(new Request(`http://application${request.url}`), { params: Promise.resolve({ id }) });
  }
  const body = await text(request);
  return POST(new Request(`http://application${request.url}`, { method: "POST", body }));
}

const server = createServer(async (request, response) => {
  const { status, headers, body } = await answered(request);
  response.writeHead(status, Object.fromEntries(headers));
  if (body === null) {
    response.end();
  } else {
    // Whoever leaves leaves only this copy of the stream.
    Readable.fromWeb(body).on("error", () => {}).pipe(response);
  }
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
