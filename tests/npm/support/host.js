// The host that the test talks to. The Rust test that started this program holds it: it is asked in lines on standard
// output (`@kill`) and answers in lines on standard input (`done`, or what went wrong).

import { createInterface } from "node:readline";

const [port] = process.argv.slice(2);
if (!/^\d+$/.test(port ?? "")) throw new Error("usage: node PROGRAM PORT; tests/clients starts these programs");

/** Where the host is, as PartySocket wants it. */
export const host = `127.0.0.1:${port}`;

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(what) {
  process.stdout.write(`@${what}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`nobody answered @${what}`);
  if (value !== "done") throw new Error(`@${what}: ${value}`);
}

/** Ends the host with SIGKILL. */
export const kill = () => ask("kill");

/** Ends the host with SIGTERM, and waits until it has gone with exit code 0. */
export const stop = () => ask("stop");

/** Starts the host again, on the same port and data. */
export const start = () => ask("start");

/** Lets the host stand still: the system goes on taking connections for it, and nobody answers. */
export const pause = () => ask("pause");

/** Lets it go on. */
export const resume = () => ask("resume");

/** Has the code of the party changed, and waits until the new code runs. */
export const change = () => ask("change");

/** Lets this program end: the pipe to the Rust test would keep it alive. */
export const leave = () => process.stdin.destroy();
