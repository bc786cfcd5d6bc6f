// What PartySocket does otherwise in a browser than under Node.js, in a page that loads the package as it is.

import assert from "node:assert/strict";

import { test } from "../support/browser.js";
import { kill, start } from "../support/host.js";

/** Rows: what the page does, and what must come of it. */
const rows = {
  "browser-blob": {
    does: async (room) => {
      const socket = await open({ room });
      const { data } = await told(socket, "message", () => socket.send(new Uint8Array([1, 2, 3])));
      return [socket.binaryType, data.constructor.name, ...new Uint8Array(await data.arrayBuffer())];
    },
    gives: ["blob", "Blob", 1, 2, 3],
  },
  "browser-events": {
    does: async (room) => {
      const socket = await open({ room, maxRetries: 0 });
      let first;
      socket.onmessage = (event) => (first = event);
      const second = await told(socket, "message", () => socket.send("echo hello"));
      const { code, reason, constructor } = await told(socket, "close", () => socket.send("close 4000 custom"));
      return [second.constructor.name, second.data, first === second, constructor.name, code, reason];
    },
    gives: ["MessageEvent", "hello", false, "CloseEvent", 4000, "custom"],
  },
  "browser-refused": {
    does: async (room) => {
      const socket = connect({ room, query: { reject: "403" }, maxRetries: 0 });
      const closed = new Promise((resolve) => (socket.onclose = ({ code, reason }) => resolve([code, reason])));
      const { type, message } = await told(socket, "error");
      return [type, typeof message, ...(await closed)];
    },
    gives: ["error", "undefined", 1000, ""],
  },
  "browser-subprotocol": {
    does: async (room) => (await open({ room, protocols: ["first", "second"] })).protocol,
    gives: "first",
  },
};

await test(async (openTab) => {
  const { page } = await openTab("/");
  await page.waitForFunction("globalThis.open && globalThis.connect && globalThis.told");
  for (const [name, { does, gives }] of Object.entries(rows)) {
    assert.deepEqual(await page.evaluate(`(${does})(${JSON.stringify(name)})`), gives, name);
    console.log(`row ${name} passed`);
  }

  const name = "browser-comes-back";
  await page.evaluate(`open({ room: "${name}", minReconnectionDelay: 100 }).then((socket) => (globalThis.socket = socket))`);
  await page.evaluate("(globalThis.lost = told(socket, 'close')), (globalThis.back = told(socket, 'close').then(() => told(socket, 'open'))), 0");
  await kill();
  assert.equal(await page.evaluate("lost.then(({ code }) => code)"), 1006);
  await page.evaluate("(socket.send('echo kept'), globalThis.answer = told(socket, 'message')), 0");
  await start();
  assert.equal(await page.evaluate("back.then(() => answer).then(({ data }) => data)"), "kept");
  console.log(`row ${name} passed`);
});
