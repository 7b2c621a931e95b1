// A mock of many providers' APIs that other people wrote. Its packages are in the directory that is its argument; what
// it answers is on the first line of standard input, and where it listens is the first line of standard output. It
// ends with its standard input, so that it never outlives the test.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const packages = pathToFileURL(`${process.argv[2]}/node_modules/@copilotkit/aimock/dist/index.js`);
const { LLMock } = await import(packages.href);

const lines = createInterface({ input: process.stdin });
const { options, fixtures } = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
const mock = new LLMock({ host: "127.0.0.1", port: 0, ...options });
for (const fixture of fixtures) mock.addFixture(fixture);
console.log(await mock.start());
lines.on("close", () => process.exit(0));
