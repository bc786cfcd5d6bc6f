// examples/cursors with the unmodified PartySocket behind a proxy that the host trusts, for which this program stands: countries,
// binary messages, waves to who comes from the same country.

import assert from "node:assert/strict";

import { WebSocket } from "ws";

import { connect, request, test } from "../support/sockets.js";
import { Inbox, next } from "../support/wait.js";

/** The WebSocket of a client of which the proxy says this. */
const from = (country) =>
  class extends WebSocket {
    constructor(address, protocols) {
      super(address, protocols, { headers: { "cf-ipcountry": country } });
    }
  };

/** Comes from a country, and keeps what it is sent, in hex. */
async function come(country) {
  const socket = connect({ room: "field", WebSocket: from(country) });
  socket.binaryType = "arraybuffer";
  const inbox = new Inbox(socket, (data) => Buffer.from(data).toString("hex"));
  await next(socket, "open");
  return { socket, inbox };
}

await test(async () => {
  const ada = await come("DE");
  assert.equal(await ada.inbox.take(), "010000004445");
  ada.socket.send(new Uint8Array([0x80, 0, 0x40, 0]));
  const ben = await come("DE");
  assert.equal(await ben.inbox.take(), "010001014445" + "020000004445" + "03000080004000");
  assert.equal(await ada.inbox.take(), "020001014445");
  const cleo = await come("FR");
  await cleo.inbox.take();
  for (const { inbox } of [ada, ben]) assert.equal(await inbox.take(), "020002024652");

  const census = await request({ room: "field" }, { headers: { "cf-ipcountry": "GB" } });
  assert.deepEqual(await census.json(), { people: 3, countries: { DE: 2, FR: 1 } });

  ben.socket.send(new Uint8Array([6]));
  for (const { inbox } of [ada, ben]) assert.equal(await inbox.take(), "060001");
  ben.socket.close();
  assert.equal(await ada.inbox.take(), "050001");
  assert.equal(await cleo.inbox.take(), "050001", "she has seen no wave before it");
});
