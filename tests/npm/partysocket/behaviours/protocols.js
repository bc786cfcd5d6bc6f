// Subprotocols, and extensions.

import assert from "node:assert/strict";

import { Client } from "../../support/probe.js";
import { next } from "../../support/wait.js";

export const rows = {
  "protocols-none": async (room) => {
    const { socket } = await Client.open({ room });
    assert.equal(socket.protocol, "");
  },
  "protocols-one": async (room) => {
    const { socket } = await Client.open({ room, protocols: "only" });
    assert.equal(socket.protocol, "only");
  },
  "protocols-several": async (room) => {
    const { socket } = await Client.open({ room, protocols: ["first", "second"] });
    assert.equal(socket.protocol, "first");
  },
  "protocols-function": async (room) => {
    for (const [protocols, taken] of [[() => ["one", "two"], "one"], [async () => "three", "three"], [() => null, ""]]) {
      const { socket } = await Client.open({ room, protocols });
      assert.equal(socket.protocol, taken);
    }
  },
  "protocols-asked-again": async (room) => {
    let asked = 0;
    const { socket } = await Client.open({ room, protocols: async () => [`visit-${(asked += 1)}`] });
    assert.equal(socket.protocol, "visit-1");
    const again = next(socket, "open");
    socket.reconnect();
    await again;
    assert.equal(socket.protocol, "visit-2");
  },
  "extensions-none": async (room) => {
    const { socket } = await Client.open({ room });
    assert.equal(socket.extensions, "");
  },
};
